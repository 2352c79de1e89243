//! Who holds the places that calls for help have above every limit. Each company and each phone has a share of them, so
//! that none can use up what all depend on.

use std::collections::HashMap;

use super::{Account, LegId};

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
        let of_company = self.of(&account.company).filter(|holder| holder.device.is_some());
        let of_device = |holder: &&Holder| holder.device.as_ref() == Some(&account.device);
        let of_device = self.of(&account.company).filter(of_device).count();
        of_company.count() < CALLS_OF_COMPANY && of_device < CALLS_OF_DEVICE
    }

    /// Whether one more leg may be dialled for this company. Counted apart, so that who got in also gets out.
    pub(super) fn takes_dialled(&self, company: &str) -> bool {
        self.of(company).filter(|holder| holder.device.is_none()).count() < CALLS_OF_COMPANY
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

    fn of(&self, company: &str) -> impl Iterator<Item = &Holder> {
        self.held.values().filter(move |holder| holder.company == company)
    }
}

/// Calls for help of one company above the limits: with their two legs half of `EMERGENCY_LEGS`.
const CALLS_OF_COMPANY: usize = 8;
/// And of one phone: whoever loses the line may call again before the first call is known to be over.
const CALLS_OF_DEVICE: usize = 2;
