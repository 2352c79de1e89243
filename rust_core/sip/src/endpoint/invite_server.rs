//! Calls that come in (RFC 3261 §13.3, §9.2).

use std::time::Instant;

use super::gate::Sender;
use super::incoming::{caller, incoming, merge_key, read_invite, reason_text};
use super::load::Room;
use super::requests::{reason_phrase, retry_after, to_tag};
use super::reserve::Holder;
use super::{Due, EndedBy, Endpoint, Event, Flow, Incoming, LegId};
use crate::leg::{Leg, LegState};
use crate::wire::{HeaderName, Method, Request};

impl Endpoint {
    /// A new call of somebody who may call.
    pub(super) fn on_invite(
        &mut self,
        now: Instant,
        flow: Flow,
        reply: Flow,
        request: Request,
        sender: Sender,
        called: String,
    ) {
        self.counters.invites += 1;
        let Some(room) = self.room_for_call(now, &called, &sender) else {
            return self.answer_once(now, reply, &request, 503, "", &[retry_after()]);
        };
        let merge_key = merge_key(&request);
        let is_merged = merge_key.as_ref().is_some_and(|key| self.merges.contains_key(key));
        let read = match is_merged {
            true => Err((482, vec![])),
            false => read_invite(now, &request),
        };
        let place = self.asked_place(&request, &sender).map_err(|status| (status, vec![]));
        let (remote_target, mut offer, instead_of) = match read.and_then(|read| Ok((read, place?)))
        {
            Ok(((target, offer), instead_of)) => (target, offer, instead_of),
            Err((status, extra)) => {
                return self.answer_once(now, reply, &request, status, "", &extra);
            }
        };
        if let Sender::Trunk(trunk) = &sender
            && !self.trunks.enter(trunk, false)
        {
            self.counters.shed_invites += 1;
            return self.answer_once(now, reply, &request, 503, "", &[retry_after()]);
        }
        if let (Sender::Trunk(trunk), Some(offer)) = (&sender, &mut offer) {
            offer.permit(&trunk.profile.codecs);
        }
        let Some(server) = self.open_server(now, reply, &request) else {
            if let Sender::Trunk(trunk) = &sender {
                self.trunks.leave(trunk);
            }
            self.counters.shed_invites += 1;
            return self.refuse(reply, &request, 503, "", &[retry_after()]);
        };
        self.last_leg += 1;
        let id = LegId(self.last_leg);
        let trying = request.response(100, reason_phrase(100), None);
        self.respond(now, server, &trying);
        if let Some(transaction) = self.servers.get_mut(&server) {
            transaction.leg = Some(id);
        }
        let incoming = incoming(id, &request, &sender, called, offer.as_ref());
        let incoming = Incoming { instead_of, ..incoming };
        let (trunk, account) = match sender {
            Sender::Trunk(trunk) => (Some(trunk), None),
            Sender::Device(account) => (None, Some(account)),
        };
        if let (Room::Reserve, Some(account)) = (room, &account) {
            self.reserve.enter(id, Holder::caller(account));
        }
        let leg = Leg {
            local_tag: self.new_tag(id),
            is_proven: account.is_some() || flow.transport.is_reliable(),
            contact_user: incoming.called.clone(),
            instance: flow.connection.and_then(|id| self.registrar.instance_at(id)),
            trunk,
            account,
            server: Some(server),
            merge_key: merge_key.clone(),
            ..caller(id, reply, request, remote_target, offer)
        };
        self.add_leg(leg);
        if let Some(key) = merge_key {
            self.merges.insert(key, id);
        }
        self.undecided.insert(id, now);
        self.timers.set(now + self.config.decision_timeout, Due::Decision(id));
        self.tell(now, Event::Incoming(Box::new(incoming)));
    }

    /// The caller no longer wants to (RFC 3261 §9.2). A CANCEL comes from the hop that sent the INVITE: whoever else
    /// has guessed its branch ends nobody's call.
    pub(super) fn on_cancel(&mut self, now: Instant, reply: Flow, cancel: &Request) {
        let mut invite = cancel.clone();
        invite.method = Method::Invite;
        let server = crate::transaction::server_key(&invite)
            .and_then(|key| self.server_keys.get(&key).copied());
        let transaction = server
            .and_then(|id| self.servers.get(&id))
            .filter(|transaction| transaction.flow.peer.ip() == reply.peer.ip());
        let Some(leg) = transaction.map(|transaction| transaction.leg) else {
            return self.refuse(reply, cancel, 481, "", &[]);
        };
        // RFC 3261 §9.2: the tag that the INVITE gets, too.
        let tag = match leg.and_then(|id| self.legs.get(&id)) {
            Some(leg) => leg.local_tag.clone(),
            None => self.stateless_tag(cancel),
        };
        let mut ok = cancel.response(200, reason_phrase(200), Some(&tag));
        ok.headers.push(HeaderName::Server, self.config.user_agent.clone());
        match self.open_server(now, reply, cancel) {
            Some(server) => self.respond(now, server, &ok),
            None => self.send(reply, ok.to_bytes()),
        }
        if let Some(id) = leg.filter(|id| self.legs.get(id).is_some_and(Leg::waits_for_us)) {
            let reason = reason_text(cancel);
            self.refuse_leg(now, id, 487, "", None);
            self.end_leg(now, id, 487, EndedBy::Peer, &reason);
            self.drop_leg(id);
        }
    }

    /// The caller has our 2xx.
    pub(super) fn on_ack(&mut self, now: Instant, ack: &Request) {
        let call_id = ack.headers.text(&HeaderName::CallId);
        let tag = to_tag(ack).unwrap_or_default();
        let Some(id) = self.leg_of_tag(&tag, call_id) else {
            if tag != self.stateless_tag(ack) {
                self.counters.strays += 1;
            }
            return;
        };
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let number = ack.cseq().map(|cseq| cseq.number);
        let Some(waiting) = leg.unacknowledged.take_if(|waiting| Some(waiting.cseq) == number)
        else {
            return;
        };
        let is_answered = match waiting.our_offer {
            Some(offered) => self.accept_late_answer(now, id, &offered, &ack.body),
            None => true,
        };
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let was_proven = std::mem::replace(&mut leg.is_proven, true);
        match leg.state {
            LegState::Accepted if !is_answered => {
                leg.reason = Some("SIP;cause=488;text=\"no answer to our offer\"".to_owned());
                self.send_bye(now, id);
                self.end_leg(now, id, 488, EndedBy::Us, "the answer fits no offer");
                self.drop_leg(id);
            }
            LegState::Accepted => {
                leg.state = LegState::Confirmed;
                if let (false, Some(agreed)) = (was_proven, leg.agreed.clone()) {
                    self.tell_media(now, id, agreed);
                }
                self.tell(now, Event::Answered(id));
            }
            LegState::Leaving => {
                self.send_bye(now, id);
                self.drop_leg(id);
            }
            _ => {}
        }
    }
}
