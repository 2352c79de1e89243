//! Transfers that a phone asks for (RFC 3515, RFC 4488, RFC 5589), and what it is told of them.
//!
//! ```text
//! REFER ──► 202, NOTIFY 100 ──► TransferAsked ──► NOTIFY 180 ──► NOTIFY with the outcome
//!    └───► 4xx, 6xx                     └── nobody takes it up: NOTIFY 503
//! ```
//!
//! We never send REFER: to us each party is a leg, and legs are joined anew. Referred-By (RFC 3892) is not read: who
//! asks is the device at the other end of the dialog. A subscription ends with its dialog. What is refused is refused
//! with statuses that end the REFER alone, and not its dialog (RFC 5057 §5.1).

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::replaces::Replaces;
use super::requests::reason_phrase;
use super::{Account, Due, Endpoint, Event, LegId};
use crate::dialog;
use crate::leg::{Leg, LegState, Referral};
use crate::transaction::Owner;
use crate::way;
use crate::wire::{Address, HeaderName, Method, Request, Scheme, Uri, display_text};

/// Status, and why, for people.
type No = (u16, &'static str);

impl Endpoint {
    /// A REFER inside the dialog of a leg.
    pub(super) fn on_refer(&mut self, now: Instant, id: LegId, server: u64, request: &Request) {
        let Some(leg) = self.legs.get(&id) else { return };
        let (to, instead_of) = match self.read_refer(leg, request) {
            Ok(read) => read,
            Err((status, why)) => {
                let warning = (HeaderName::Warning, format!("399 tandem \"{why}\""));
                return self.respond_plainly(now, server, request, status, &[warning]);
            }
        };
        // RFC 4488 §4: a phone that wants no word of it says so, or demands that we understand that it does.
        let refuses = |name| request.headers.text(&name).is_some_and(|v| v.starts_with("false"));
        let is_told = !refuses(HeaderName::ReferSub)
            && !request.headers.has_token(&HeaderName::Require, "norefersub");
        let mut extra = vec![(HeaderName::Contact, self.contact(leg))];
        if !is_told {
            extra.push((HeaderName::ReferSub, "false".to_owned()));
        }
        let until = now + self.config.decision_timeout;
        let Some(leg) = self.legs.get_mut(&id) else { return };
        leg.referral = Some(Box::new(Referral {
            cseq: request.cseq().map_or(0, |cseq| cseq.number),
            is_first: leg.referrals == 0,
            is_told,
            told: 100,
            is_taken: false,
            until,
        }));
        leg.referrals += 1;
        self.counters.transfers_asked += 1;
        self.respond_plainly(now, server, request, 202, &extra);
        self.notify(now, id, 100, "");
        self.timers.set(until, Due::Referral(id));
        self.tell(now, Event::TransferAsked { leg: id, to, instead_of });
    }

    /// Tells the far end how its transfer goes: once that it is under way, once the end.
    pub(super) fn tell_transfer(&mut self, now: Instant, id: LegId, status: u16) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let Some(referral) = &mut leg.referral else { return };
        if status >= 200 {
            self.notify(now, id, status, "noresource");
            if let Some(leg) = self.legs.get_mut(&id) {
                leg.referral = None;
            }
            return;
        }
        if !referral.is_taken {
            referral.is_taken = true;
            referral.until = now + REFERRAL_LIFE;
            self.timers.set(now + REFERRAL_LIFE, Due::Referral(id));
        }
        // Each status once, so that a transfer costs its dialog three NOTIFYs at most.
        let Some(referral) = self.legs.get_mut(&id).and_then(|leg| leg.referral.as_mut()) else {
            return;
        };
        if status > 100 && referral.told == 100 {
            referral.told = status;
            self.notify(now, id, status, "");
        }
    }

    /// Nobody has taken it up, or it has lasted for too long.
    pub(super) fn referral_due(&mut self, now: Instant, id: LegId) {
        let referral = self.legs.get(&id).and_then(|leg| leg.referral.as_ref());
        let Some(referral) = referral.filter(|referral| now >= referral.until) else { return };
        let (status, why) = if referral.is_taken { (408, "timeout") } else { (503, "noresource") };
        self.counters.late_decisions += u64::from(!referral.is_taken);
        self.notify(now, id, status, why);
        if let Some(leg) = self.legs.get_mut(&id) {
            leg.referral = None;
        }
    }

    /// NOTIFY with a status line (RFC 3515 §2.4.5); `over` says why it is the last, "" if it is not.
    fn notify(&mut self, now: Instant, id: LegId, status: u16, over: &str) {
        let user_agent = self.config.user_agent.clone();
        let Some(leg) = self.legs.get(&id).filter(|leg| leg.state == LegState::Confirmed) else {
            return;
        };
        let contact = self.contact(leg);
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let Some(referral) = leg.referral.as_ref().filter(|referral| referral.is_told) else {
            return;
        };
        // RFC 3515 §2.4.6: from the second on, which REFER it is about must be said. Some phones trip over it in the first.
        let event = match referral.is_first {
            true => "refer".to_owned(),
            false => format!("refer;id={}", referral.cseq),
        };
        let left = referral.until.saturating_duration_since(now);
        let left = if referral.is_taken { left } else { REFERRAL_LIFE }.as_secs();
        let state = match over {
            "" => format!("active;expires={left}"),
            why => format!("terminated;reason={why}"),
        };
        let mut notify = dialog::request(leg, Method::Other("NOTIFY".to_owned()));
        notify.headers.push(HeaderName::Contact, contact);
        notify.headers.push(HeaderName::Event, event);
        notify.headers.push(HeaderName::SubscriptionState, state);
        notify.headers.push(HeaderName::UserAgent, user_agent);
        notify.headers.push(HeaderName::ContentType, "message/sipfrag;version=2.0");
        notify.body = format!("SIP/2.0 {status} {}\r\n", reason_phrase(status)).into();
        let flow = way::of_leg(leg);
        self.open_client(now, flow, notify, Owner::Nobody);
    }

    /// Whom to, and whose place is to be taken.
    fn read_refer(&self, leg: &Leg, request: &Request) -> Result<(String, Option<LegId>), No> {
        let account = leg.account.as_deref().ok_or((403, "only phones of the company transfer"))?;
        if leg.referral.is_some() {
            return Err((491, "another transfer of this call is under way"));
        }
        if leg.state != LegState::Confirmed {
            return Err((491, "the call is not up yet"));
        }
        // RFC 3515 §2.4.2: exactly one.
        let mut lines = request.headers.lines(&HeaderName::ReferTo);
        let (Some(line), None) = (lines.next(), lines.next()) else {
            return Err((400, "one Refer-To is needed"));
        };
        if line.len() > MAX_REFER_TO {
            return Err((400, "Refer-To is too long"));
        }
        let unread = (400, "Refer-To is no SIP or TEL address");
        let address = Address::parse(line).ok_or(unread)?;
        let uri = address.parsed_uri().ok_or(unread)?;
        if !self.is_ours(account, &uri, request) {
            return Err((403, "transfers lead to numbers of the company's own address only"));
        }
        if uri.params.value("method").is_some_and(|m| !m.eq_ignore_ascii_case("INVITE")) {
            return Err((403, "only calls can be asked for"));
        }
        let to = uri.user().map(|user| display_text(user.as_bytes())).unwrap_or_default();
        let instead_of = match Replaces::in_uri(&uri) {
            Ok(None) if to.is_empty() => return Err((400, "Refer-To names no number")),
            Ok(None) => None,
            Ok(Some(replaces)) => {
                let other = self.leg_of_replaces(account, &replaces).ok_or(NO_SUCH_CALL)?;
                if other.id == leg.id {
                    return Err((403, "a call cannot take its own place"));
                }
                Some(can_be_joined(leg, other)?)
            }
            Err(why) => return Err((400, why)),
        };
        Ok((to, instead_of))
    }

    /// Whether an address is one that the phone calls us by: its company's domain, an address of ours, or whatever it
    /// names itself at. The number is led on inside the company in any case.
    fn is_ours(&self, account: &Account, uri: &Uri<'_>, request: &Request) -> bool {
        let from = request.headers.line(&HeaderName::From).and_then(|from| Address::parse(from));
        let own = from.as_ref().and_then(Address::parsed_uri).map_or("", |from| from.host);
        let ip: Option<IpAddr> = uri.host.parse().ok();
        uri.scheme == Scheme::Tel
            || uri.host.eq_ignore_ascii_case(&account.realm)
            || uri.host.eq_ignore_ascii_case(own)
            || ip.is_some_and(|ip| self.config.listeners.iter().any(|l| l.advertised.ip() == ip))
    }
}

/// Whether those whom the device talks to in both calls can hear each other. What it speaks in each is what they speak.
fn can_be_joined(leg: &Leg, other: &Leg) -> Result<LegId, No> {
    // Somebody who still rings is dialled anew, with what the other speaks.
    if other.state != LegState::Confirmed {
        return Ok(other.id);
    }
    let spoken = |leg: &Leg| {
        let first = leg.agreed.as_ref()?.codecs.first()?;
        Some((first.codec.name.to_ascii_lowercase(), first.codec.clock_rate))
    };
    if spoken(leg) == spoken(other) {
        Ok(other.id)
    } else {
        Err((488, "the two calls speak different codecs"))
    }
}

const NO_SUCH_CALL: No = (603, "there is no such call to take the place of");
const MAX_REFER_TO: usize = 1024;
/// A transfer ends by itself long before: nobody is rung for so long.
const REFERRAL_LIFE: Duration = Duration::from_secs(900);
