//! Keeps legs in sight: repeats ringing (RFC 3261 §13.3.1.1) but not for ever, refreshes sessions and ends those that
//! nobody refreshes (RFC 4028).

use std::time::{Duration, Instant};

use super::config::RING_LIMIT;
use super::invite_client::remote_tag;
use super::{ClientId, Due, EndedBy, Endpoint, LegId};
use crate::dialog;
use crate::leg::{Leg, LegState, Refresh};
use crate::offer_answer::{SessionDescription, accept_answer, offer};
use crate::session_timer::{Duty, SessionTimer, demanded};
use crate::transaction::Owner;
use crate::way;
use crate::wire::{HeaderName, Method, Request, Response};

impl Endpoint {
    /// Has legs looked at from now on, until none needs it.
    pub(super) fn sweep_later(&mut self, now: Instant) {
        if !self.is_sweeping {
            self.is_sweeping = true;
            self.timers.set(now + SWEEP_INTERVAL, Due::Sweep);
        }
    }

    pub(super) fn sweep(&mut self, now: Instant) {
        self.is_sweeping = false;
        let needs = |leg: &&Leg| {
            leg.session_timer.is_some() || leg.state == LegState::Ringing || leg.is_out_of_sight()
        };
        let mut ids: Vec<LegId> = self.legs.values().filter(needs).map(|leg| leg.id).collect();
        ids.sort_unstable();
        for id in ids {
            self.sweep_later(now);
            let Some(leg) = self.legs.get(&id) else { continue };
            let is_past = |at: Option<Instant>, limit| {
                at.is_some_and(|at| now.saturating_duration_since(at) >= limit)
            };
            match leg.state {
                LegState::Ringing if is_past(leg.led_on_at, RING_LIMIT) => {
                    self.hang_up(now, id, 480, "rang too long", EndedBy::Deadline);
                }
                LegState::Ringing if is_past(leg.rang_at, RING_INTERVAL) => {
                    self.ring_again(now, id)
                }
                LegState::Confirmed if leg.is_out_of_sight() => self.probe(now, id),
                LegState::Confirmed => match leg.session_timer.map(|timer| timer.duty(now)) {
                    Some(Duty::Refresh) if leg.refresh.is_none() => self.refresh(now, id, false),
                    Some(Duty::End) => {
                        self.hang_up(now, id, 408, "session expired", EndedBy::Timeout);
                    }
                    _ => {}
                },
                _ => {}
            }
        }
    }

    /// Sends an UPDATE where that is taken, or the session as it is in a re-INVITE.
    pub(super) fn refresh(&mut self, now: Instant, id: LegId, authorized: bool) {
        let user_agent = self.config.user_agent.clone();
        let Some(leg) = self.legs.get(&id) else { return };
        let contact = self.contact(leg);
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let (Some(timer), Some(session), Some(agreed)) =
            (leg.session_timer, leg.session, &leg.agreed)
        else {
            return;
        };
        if leg.unacknowledged.is_some() {
            return; // The next sweep finds it again.
        }
        let direction = agreed.direction;
        let kind = if leg.takes_update { Refresh::Update } else { Refresh::Invite };
        let method = if kind == Refresh::Update { Method::Update } else { Method::Invite };
        leg.refresh = Some(kind);
        let mut request = dialog::request(leg, method);
        request.headers.push(HeaderName::Contact, contact);
        for (name, value) in timer.refreshing() {
            request.headers.push(name, value);
        }
        request.headers.push(HeaderName::UserAgent, user_agent);
        if kind == Refresh::Invite {
            request.headers.push(HeaderName::ContentType, "application/sdp");
            request.body = offer(&session, &leg.spoken(), direction).into();
        }
        let flow = way::of_leg(leg);
        self.open_client(now, flow, request, Owner::Refresh(id, authorized));
    }

    /// A final response to our UPDATE, or a refusal of our re-INVITE.
    pub(super) fn on_refresh_response(
        &mut self,
        now: Instant,
        id: LegId,
        authorized: bool,
        request: Option<Box<Request>>,
        response: &Response,
    ) {
        let Some(leg) = self.legs.get_mut(&id).filter(|leg| leg.state == LegState::Confirmed)
        else {
            return;
        };
        let refused_invite = leg.refresh.take() == Some(Refresh::Invite);
        let Some(timer) = leg.session_timer else { return };
        match response.status {
            200..300 => leg.session_timer = SessionTimer::of_response(&response.headers, now),
            // RFC 3261 §12.2.1.2.
            408 | 481 => {
                self.hang_up(now, id, response.status, "the far end is gone", EndedBy::Peer);
            }
            401 | 407 if !authorized => {
                let again =
                    leg.trunk.clone().zip(request).and_then(|(trunk, request)| {
                        self.with_credentials(&trunk, &request, response)
                    });
                let Some((again, _)) = again else { return };
                let Some(leg) = self.legs.get_mut(&id) else { return };
                leg.local_cseq += 1;
                leg.refresh = Some(match again.method {
                    Method::Update => Refresh::Update,
                    _ => Refresh::Invite,
                });
                let flow = way::of_leg(leg);
                self.open_client(now, flow, again, Owner::Refresh(id, true));
            }
            422 => {
                if let Some(interval) = demanded(&response.headers, timer.interval) {
                    leg.session_timer = Some(SessionTimer { interval, ..timer });
                    // A new request without credentials: it may be challenged anew.
                    self.refresh(now, id, false);
                }
            }
            405 | 420 | 501 if leg.takes_update => {
                leg.takes_update = false;
                self.refresh(now, id, authorized);
            }
            491 if refused_invite => self.wait_after_glare(now, id),
            // Anything else may pass: the next sweep asks again, until the session is over.
            _ => {}
        }
    }

    /// The 2xx of our re-INVITE.
    pub(super) fn on_reinvite_answered(
        &mut self,
        now: Instant,
        id: LegId,
        client: ClientId,
        response: &Response,
    ) {
        let Some(leg) = self.legs.get_mut(&id).filter(|leg| leg.state == LegState::Confirmed)
        else {
            let trunk = self.legs.get(&id).and_then(|leg| leg.trunk.clone());
            return self.say_farewell(now, trunk, client, response);
        };
        leg.refresh = None;
        leg.session_timer = SessionTimer::of_response(&response.headers, now);
        if let Some(target) = way::target_of(&response.headers) {
            leg.remote_target = target;
        }
        let (offered, before) = (leg.spoken(), leg.agreed.clone());
        let direction = before.as_ref().map_or_else(Default::default, |agreed| agreed.direction);
        let theirs = SessionDescription::parse(&response.body).ok();
        let agreed = theirs.and_then(|theirs| accept_answer(&offered, direction, &theirs).ok());
        let flow = way::of_leg(leg);
        let ack = dialog::ack(leg, response);
        self.acknowledge(client, remote_tag(response), flow, ack);
        if let Some(agreed) = agreed.filter(|agreed| before.as_ref() != Some(agreed)) {
            if let Some(leg) = self.legs.get_mut(&id) {
                leg.agree(agreed.clone());
            }
            self.tell_media(now, id, agreed);
        }
    }
}

/// Between two looks: a small part of the least session interval.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);

/// RFC 3261 §13.3.1.1: at least each minute, or a proxy gives up waiting.
const RING_INTERVAL: Duration = Duration::from_secs(50);
