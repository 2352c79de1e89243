//! Who holds the places that calls for help have above every limit. Each company and each phone has a share of them, so
//! that none can use up what all depend on. Half of them are for callers and half for the legs that are dialled for them,
//! so that who got in also gets out.

use std::collections::HashMap;

use super::{Account, EMERGENCY_LEGS, LegId};

/// Legs of calls for help that were let in though the exchange, or their trunk, was full.
#[derive(Debug, Default)]
pub(super) struct Reserve {
    held: HashMap<LegId, Holder>,
}

/// Whose share a leg takes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Holder {
    pub(super) company: String,
    /// Who calls, if that is a phone of the company.
    pub(super) device: Option<String>,
    /// Whether we dial the leg, or the caller's it is.
    pub(super) is_dialled: bool,
}

impl Reserve {
    /// Whether this company, and this phone of it, may have one more leg of the kind.
    pub(super) fn takes(&self, new: &Holder) -> bool {
        let same_kind = self.held.values().filter(|held| held.is_dialled == new.is_dialled);
        let of_company = same_kind.clone().filter(|held| held.company == new.company);
        let of_device = of_company.clone().filter(|held| held.device == new.device);
        same_kind.count() < CALLS
            && of_company.count() < CALLS_OF_COMPANY
            && (new.device.is_none() || of_device.count() < CALLS_OF_DEVICE)
    }

    pub(super) fn enter(&mut self, leg: LegId, holder: Holder) {
        self.held.insert(leg, holder);
    }

    /// Gives a place back, if the leg has one.
    pub(super) fn leave(&mut self, leg: LegId) {
        self.held.remove(&leg);
    }
}

impl Holder {
    /// Of the leg by which this phone calls.
    pub(super) fn caller(account: &Account) -> Self {
        let device = Some(account.device.clone());
        Self { company: account.company.clone(), device, is_dialled: false }
    }
}

/// Calls for help above the limits, each with two legs.
const CALLS: usize = EMERGENCY_LEGS / 2;
/// Of these of one company.
const CALLS_OF_COMPANY: usize = 8;
/// And of one phone: whoever loses the line may call again before the first call is known to be over.
const CALLS_OF_DEVICE: usize = 2;
