//! Who may register and call: a table that is replaced whole, so it can be built on any thread.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::endpoint::Account;

/// All accounts, found by realm and user or by company and device.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Accounts {
    by_user: HashMap<(String, String), Arc<Account>>,
    by_device: HashMap<(String, String), Arc<Account>>,
    realms: HashSet<String>,
    with_sha256: usize,
    /// Emergency numbers of each company.
    emergency: HashMap<String, HashSet<String>>,
    /// Those of all companies.
    emergency_anywhere: HashSet<String>,
}

impl From<Vec<Account>> for Accounts {
    /// Of two accounts for one device or one user the later counts. Costs a few microseconds for each.
    fn from(accounts: Vec<Account>) -> Self {
        let mut this = Self::default();
        for account in accounts {
            let account = Arc::new(account);
            let realm = account.realm.to_ascii_lowercase();
            this.with_sha256 += usize::from(account.secrets.ha1_sha256.is_some());
            if !this.realms.contains(&realm) {
                this.realms.insert(realm.clone());
            }
            let device = (account.company.clone(), account.device.clone());
            this.by_device.insert(device, account.clone());
            this.by_user.insert((realm, account.username.clone()), account);
        }
        this
    }
}

impl Accounts {
    /// The same table with the emergency numbers of each company, as its people dial them.
    pub fn with_emergency_numbers(self, numbers: HashMap<String, Vec<String>>) -> Self {
        let emergency_anywhere = numbers.values().flatten().cloned().collect();
        let of_one = |(company, numbers): (String, Vec<String>)| {
            (company, numbers.into_iter().collect::<HashSet<_>>())
        };
        let emergency = numbers.into_iter().map(of_one).collect();
        Self { emergency, emergency_anywhere, ..self }
    }

    /// Whether `number` calls for help; without a company: in any.
    pub(crate) fn is_emergency(&self, company: Option<&str>, number: &str) -> bool {
        let numbers = match company {
            Some(company) => self.emergency.get(company),
            None => Some(&self.emergency_anywhere),
        };
        numbers.is_some_and(|numbers| numbers.contains(number))
    }

    /// The account of a user; realms are compared as host names are.
    pub(crate) fn of_user(&self, realm: &str, username: &str) -> Option<&Arc<Account>> {
        self.by_user.get(&(realm.to_ascii_lowercase(), username.to_owned()))
    }

    /// The account of a device, by company and device.
    pub(crate) fn of_device(&self, key: &(String, String)) -> Option<&Arc<Account>> {
        self.by_device.get(key)
    }

    pub(crate) fn is_realm(&self, host: &str) -> bool {
        self.realms.contains(&host.to_ascii_lowercase())
    }

    /// The share of accounts that take SHA-256, 0..=1.
    pub(crate) fn sha256_share(&self) -> f64 {
        self.with_sha256 as f64 / self.by_user.len().max(1) as f64
    }
}
