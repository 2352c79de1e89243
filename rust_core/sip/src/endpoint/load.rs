//! What is refused because of load, and what still has room: a call to an emergency number of its company.

use std::time::{Duration, Instant};

use super::gate::Sender;
use super::reserve::Holder;
use super::{CallerId, Endpoint, LegId, Target};
use crate::wire::Method;

impl Endpoint {
    /// Whether a request is refused before anybody knows who asks. Who seems to call for help gets to the gate.
    pub(super) fn sheds_at_sight(&mut self, now: Instant, method: &Method, called: &str) -> bool {
        let is_shed = match method {
            Method::Options => self.load(now) > SHEDS_OPTIONS,
            Method::Register => self.load(now) > SHEDS_REGISTERS,
            Method::Other(_) => self.load(now) > SHEDS_OTHERS,
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

    /// The room for a call now that its sender is known; `None`: it is refused.
    pub(super) fn room_for_call(
        &mut self,
        now: Instant,
        called: &str,
        sender: &Sender,
    ) -> Option<Room> {
        if !self.is_full(now) {
            return Some(Room::Ordinary);
        }
        match sender {
            Sender::Device(account)
                if self.registrar.is_emergency(Some(&account.company), called)
                    && self.reserve.takes(&Holder::caller(account)) =>
            {
                Some(Room::Reserve)
            }
            _ => {
                self.counters.shed_invites += 1;
                None
            }
        }
    }

    /// Whether another leg can be dialled within the limit.
    pub(super) fn has_room(&self) -> bool {
        self.legs.len() < self.config.max_legs
    }

    /// Whose share of the reserve this leg may take, as it belongs to a call for help: it leads to an emergency number, or
    /// to a device of ours that such a number shows on, because its owner has the exchange call there. What a trunk says of
    /// its caller opens nothing: anybody can be called 112. `served` is who is led there.
    pub(super) fn helped(
        &self,
        target: &Target,
        caller: &CallerId,
        served: Option<LegId>,
    ) -> Option<Holder> {
        let served = served.and_then(|leg| self.legs.get(&leg));
        let (company, number) = match target {
            Target::Binding(_) if served.is_some_and(|leg| leg.trunk.is_some()) => return None,
            Target::Binding(binding) => {
                (&self.registrar.place(*binding)?.1.company, &caller.number)
            }
            Target::Trunk { company, number, .. } => (company, number),
        };
        let phone = served.and_then(|leg| leg.account.as_ref());
        let device = phone.filter(|phone| phone.company == *company).map(|phone| &phone.device);
        let holder = Holder { company: company.clone(), device: device.cloned(), is_dialled: true };
        let may = self.registrar.is_emergency(Some(company), number) && self.reserve.takes(&holder);
        may.then_some(holder)
    }

    /// Above what we can do well: too many legs, decisions that take too long, or an engine that is far behind.
    fn is_full(&self, now: Instant) -> bool {
        // Each that waits for a decision will lead to somebody.
        let wanted = self.legs.len() + self.undecided.len() + LEGS_OF_A_CALL;
        self.load(now) > 1.0 || wanted > self.config.max_legs
    }

    /// How much there is to do, as a share of what can be done well. By the engine's queues, and by the call that has waited
    /// longest for a decision: whoever would have to wait longer had rather hear at once to try elsewhere.
    fn load(&self, now: Instant) -> f64 {
        let oldest = self.undecided.values().next();
        let age = oldest.map_or(Duration::ZERO, |at| now.saturating_duration_since(*at));
        let by_age = age.as_secs_f64() / self.config.max_undecided_age.as_secs_f64();
        by_age.max(self.behind)
    }
}

/// What a call that is let in takes up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Room {
    /// Places that everybody may have.
    Ordinary,
    /// One of those that are kept for calls for help.
    Reserve,
}

/// The caller's, and that of whoever is called.
const LEGS_OF_A_CALL: usize = 2;

/// Loads above which is refused what can wait: whoever only looks whether we are there, what is neither that nor a call nor
/// a register, and registers, whose phones are known for a while yet. New calls give way last, above 1.
const SHEDS_OPTIONS: f64 = 0.5;
const SHEDS_OTHERS: f64 = 0.625;
const SHEDS_REGISTERS: f64 = 0.75;
