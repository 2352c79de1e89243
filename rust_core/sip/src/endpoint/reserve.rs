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

#[derive(Debug)]
struct Holder {
    company: String,
    /// Of a caller; `None` for a leg that we dial.
    device: Option<String>,
}

impl Reserve {
    /// Whether this phone may call once more.
    pub(super) fn takes_caller(&self, account: &Account) -> bool {
        let is_caller = |holder: &&Holder| holder.device.is_some();
        let of_device = |holder: &&Holder| holder.device.as_ref() == Some(&account.device);
        self.has_share(&account.company, is_caller)
            && self.of(&account.company).filter(of_device).count() < CALLS_OF_DEVICE
    }

    /// Whether one more leg may be dialled for this company.
    pub(super) fn takes_dialled(&self, company: &str) -> bool {
        self.has_share(company, |holder| holder.device.is_none())
    }

    pub(super) fn enter_caller(&mut self, leg: LegId, account: &Account) {
        let device = Some(account.device.clone());
        self.held.insert(leg, Holder { company: account.company.clone(), device });
    }

    pub(super) fn enter_dialled(&mut self, leg: LegId, company: String) {
        self.held.insert(leg, Holder { company, device: None });
    }

    /// Gives a place back, if the leg has one.
    pub(super) fn leave(&mut self, leg: LegId) {
        self.held.remove(&leg);
    }

    fn has_share(&self, company: &str, is_kind: impl Fn(&&Holder) -> bool) -> bool {
        self.held.values().filter(&is_kind).count() < CALLS
            && self.of(company).filter(&is_kind).count() < CALLS_OF_COMPANY
    }

    fn of(&self, company: &str) -> impl Iterator<Item = &Holder> {
        self.held.values().filter(move |holder| holder.company == company)
    }
}

/// Calls for help above the limits, each with two legs.
const CALLS: usize = EMERGENCY_LEGS / 2;
/// Of these of one company.
const CALLS_OF_COMPANY: usize = 8;
/// And of one phone: whoever loses the line may call again before the first call is known to be over.
const CALLS_OF_DEVICE: usize = 2;
