//! What is refused because of load, and what never is: a call to an emergency number of its company.

use std::time::Instant;

use super::gate::Sender;
use super::{CallerId, EMERGENCY_LEGS, Endpoint, Target};
use crate::wire::Method;

impl Endpoint {
    /// Whether a request is refused before anybody knows who asks. Who seems to call for help gets to the gate.
    pub(super) fn sheds_at_sight(&mut self, now: Instant, method: &Method, called: &str) -> bool {
        let is_shed = match method {
            Method::Options => self.overload >= 1,
            Method::Register => self.overload >= 2,
            Method::Invite => !self.registrar.is_emergency(None, called) && self.is_full(now),
            _ => false,
        };
        if is_shed && *method == Method::Invite {
            self.counters.shed_invites += 1;
        } else if is_shed {
            self.counters.shed_others += 1;
        }
        is_shed
    }

    /// Whether a call is refused now that its sender is known.
    pub(super) fn sheds_call(&mut self, now: Instant, called: &str, sender: &Sender) -> bool {
        let is_shed = match sender {
            Sender::Device(account)
                if self.registrar.is_emergency(Some(&account.company), called) =>
            {
                self.legs.len() + LEGS_OF_A_CALL > self.config.max_legs + EMERGENCY_LEGS
            }
            _ => self.is_full(now),
        };
        self.counters.shed_invites += u64::from(is_shed);
        is_shed
    }

    /// Whether another leg can be dialled.
    pub(super) fn has_room(&self, is_emergency: bool) -> bool {
        let reserve = if is_emergency { EMERGENCY_LEGS } else { 0 };
        self.legs.len() < self.config.max_legs + reserve
    }

    /// Whether this leg belongs to a call for help: it leads to an emergency number, or to a device of ours that such a
    /// number shows on, because its owner has the exchange call there, or because help calls back (RFC 7090 §1).
    pub(super) fn is_emergency(&self, target: &Target, caller: &CallerId) -> bool {
        let (company, number) = match target {
            Target::Binding(binding) => match self.registrar.place(*binding) {
                Some((_, account)) => (&account.company, &caller.number),
                None => return false,
            },
            Target::Trunk { company, number, .. } => (company, number),
        };
        self.registrar.is_emergency(Some(company), number)
    }

    /// Above what we can do well: too many legs, decisions that take too long, or an engine that is far behind.
    fn is_full(&self, now: Instant) -> bool {
        let is_late =
            |at: &Instant| now.saturating_duration_since(*at) > self.config.max_undecided_age;
        let oldest = self.undecided.values().next();
        // Each that waits for a decision will lead to somebody.
        let wanted = self.legs.len() + self.undecided.len() + LEGS_OF_A_CALL;
        self.overload >= 3 || oldest.is_some_and(is_late) || wanted > self.config.max_legs
    }
}

/// The caller's, and that of whoever is called.
const LEGS_OF_A_CALL: usize = 2;
