//! Who is slowed and who is banned: judges who guesses passwords, floods or sends garbage.
//!
//! A source is banned only on proof that it is where it seems to be: it used a nonce that we gave to that address, or a
//! stream stands to it. Anybody can write another's address on a datagram, and would otherwise have us shut that one out.
//! Nor is a source banned by which somebody is registered: one phone with an old password must not cost the office
//! behind the same address its telephones. Such a source is slowed: what it tries beyond its share is not looked at, but
//! that of those who are registered from there.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::{BanReason, Due, Endpoint, Event, Flow, RestoredBan};
use crate::defence::{Ban, Guesses, Offence, Rate, Suspect, source_of};
use crate::registrar::{Place, Registrar};
use crate::trunk::contains;
use crate::wire::{HeaderName, display_text};

impl Endpoint {
    /// Whether what comes from here is to be dropped unread. Costs a comparison while nobody is banned.
    pub fn turns_away(&mut self, now: Instant, ip: IpAddr) -> bool {
        // Of a banned IPv6 /64 some addresses may be a carrier's, or the operator's own.
        let is_away = self.bans.holds(now, || source_of(ip)) && !self.is_exempt(ip);
        self.counters.turned_away += u64::from(is_away);
        is_away
    }

    /// A stream has brought what is no SIP, and can go on no more.
    pub fn handle_garbage(&mut self, now: Instant, flow: Flow) {
        self.counters.messages += 1;
        self.note_malformed(now, flow, "no SIP");
    }

    /// Sources banned now.
    pub fn banned(&self, now: Instant) -> usize {
        self.bans.count(now)
    }

    /// A password that was wrong, or not looked at, with a nonce that we gave to this source.
    pub(super) fn note_guess(&mut self, now: Instant, flow: Flow, username: &str, realm: &str) {
        let source = source_of(flow.peer.ip());
        let account = format!("{}@{realm}", display_text(username.as_bytes()));
        self.review_later(now);
        if !self.guesses.note(now, source, username, realm) && self.judging.take(now, source) {
            self.ban(now, flow.peer.ip(), BanReason::WrongPasswords, account.clone());
        }
        self.counters.guesses_left_out += self.guessers.note(source, account);
    }

    /// What cannot be read. Of datagrams it is only told: they may be anybody's.
    pub(super) fn note_malformed(&mut self, now: Instant, flow: Flow, why: &str) {
        self.counters.malformed += 1;
        self.counters.malformed_left_out += self.garblers.note(flow.peer.ip(), why.to_owned());
        self.note_stranger(now, flow, true);
        self.review_later(now);
    }

    /// A message of a stream, if nobody has shown there who that is.
    pub(super) fn note_stranger(&mut self, now: Instant, flow: Flow, is_garbage: bool) {
        let Some(connection) = flow.connection else { return };
        if !self.proven.contains(&connection) {
            let is_counted = self.strangers.note(source_of(flow.peer.ip()), is_garbage);
            self.counters.unjudged += u64::from(!is_counted);
            self.review_later(now);
        }
    }

    fn review_later(&mut self, now: Instant) {
        if !self.is_reviewing {
            self.is_reviewing = true;
            self.timers.set(now + REVIEWED_EVERY, Due::Review);
        }
    }

    /// Tells who does what nobody should, and bans who came by streams and did too much of it. That is judged only now:
    /// of an office that comes back at once, somebody is registered by then.
    pub(super) fn review(&mut self, now: Instant) {
        self.is_reviewing = false;
        for (source, Suspect { count, last }) in self.guessers.take() {
            self.tell(now, Event::WrongPasswords { source, count, account: last });
        }
        for (source, Suspect { count, last }) in self.garblers.take() {
            self.tell(now, Event::Malformed { source, count, last });
        }
        for (source, offence) in self.strangers.review() {
            let why = match offence {
                Offence::Garbage => BanReason::Garbage,
                Offence::Flood => BanReason::Flood,
            };
            self.ban(now, source, why, String::new());
        }
        self.guesses.prune(now);
        self.judging.prune(now);
        if !self.guesses.is_empty() || !self.judging.is_empty() {
            self.review_later(now);
        }
    }

    fn ban(&mut self, now: Instant, ip: IpAddr, why: BanReason, account: String) {
        let source = source_of(ip);
        if self.is_exempt(ip) || self.registrar.has_source(source) {
            return;
        }
        let (lasts, times, gone) = self.bans.impose(now, source, self.config.ban_times);
        self.counters.bans += 1;
        self.tell(now, Event::SourceBanned { source, why, lasts, times, account });
        self.gave_way(now, gone);
    }

    /// Whether an address is never banned: a trunk's, or one that the operator said so of.
    fn is_exempt(&self, ip: IpAddr) -> bool {
        let address = ip.to_canonical();
        let mut never = self.config.never_banned.iter();
        self.trunks.names(ip) || never.any(|(net, length)| contains(*net, *length, address))
    }

    pub(super) fn lift_ban(&mut self, now: Instant, ip: IpAddr) {
        let source = source_of(ip);
        if self.bans.remove(source).is_some() {
            self.guesses.forget(source);
            self.tell(now, Event::BanLifted(source));
        }
    }

    pub(super) fn restore_bans(&mut self, now: Instant, bans: Vec<RestoredBan>) {
        for RestoredBan { source, left, forgotten_in, times } in bans {
            let source = source_of(source);
            if self.is_exempt(source) || self.registrar.has_source(source) {
                self.tell(now, Event::BanLifted(source));
                continue;
            }
            // The operator may have chosen shorter ones since.
            let longest = self.config.ban_times.longest;
            let left = left.min(longest);
            let forget_at = now + forgotten_in.clamp(left, left + longest);
            let ban = Ban { until: now + left, forget_at, times };
            let gone = self.bans.put(now, source, ban);
            self.gave_way(now, gone);
        }
    }

    fn gave_way(&mut self, now: Instant, gone: Option<IpAddr>) {
        if let Some(gone) = gone {
            self.counters.bans_left_out += 1;
            self.tell(now, Event::BanLifted(gone));
        }
    }
}

/// Whether the password of a user is looked at: while the source has tries left, in all and for that account. Who is
/// registered from there is not held up by others; who is registered by this very flow, by nobody: a call for help may
/// come. Whoever shares the address can see so who is registered there; others cannot.
pub(super) fn may_look(
    now: Instant,
    registrar: &Registrar,
    guesses: &Guesses,
    flow: Flow,
    user: &str,
    realm: &str,
) -> bool {
    if guesses.is_empty() {
        return true;
    }
    let source = source_of(flow.peer.ip());
    let account_may = guesses.account_may(now, source, user, realm);
    if account_may && guesses.source_may(now, source) {
        return true;
    }
    let Some(account) = registrar.account(realm, user) else { return false };
    let is_by_flow =
        |place: &Place| (place.flow.transport, place.flow.peer) == (flow.transport, flow.peer);
    let is_from_here = |place: &Place| source_of(place.flow.peer.ip()) == source;
    registrar
        .places_of(account)
        .iter()
        .any(|place| is_by_flow(place) || account_may && is_from_here(place))
}

/// When a try may be looked at again.
pub(super) fn retry_after() -> (HeaderName, String) {
    (HeaderName::RetryAfter, RETRY_AFTER_S.to_string())
}

/// As long as one more try takes to come back.
const RETRY_AFTER_S: u32 = 20;
/// From the first of what nobody should do to the word of it, so that many are one.
const REVIEWED_EVERY: Duration = Duration::from_secs(60);
/// Whether a source may be banned is asked once a minute, so that it costs little however much it tries.
pub(super) const JUDGING: Rate = Rate { burst: 1.0, per_s: 1.0 / 60.0 };
