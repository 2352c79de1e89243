//! Moves the transactions in which we ask (RFC 3261 §17.1, RFC 6026).

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::config::{RING_LIMIT, T1, T2, T4, TRANSACTION_LIFE};
use super::{ClientId, Due, EndedBy, Endpoint, Flow, datagram};
use crate::transaction::{ClientState, ClientTransaction, Owner};
use crate::way;
use crate::wire::{HeaderName, Headers, Method, Request, Response, Via};

impl Endpoint {
    /// Sends a request with a Via of its own, and repeats it as its transport needs. The transaction's number.
    pub(super) fn open_client(
        &mut self,
        now: Instant,
        flow: Flow,
        mut request: Request,
        owner: Owner,
    ) -> u64 {
        let (id, branch) = self.new_branch();
        self.put_via(flow, &branch, &mut request);
        self.start_client(now, (id, false), branch, flow, request, owner);
        id
    }

    /// Cancels an INVITE that got a provisional answer (RFC 3261 §9.1).
    pub(super) fn send_cancel(&mut self, now: Instant, id: u64, reason: Option<&str>) {
        if self.clients.contains_key(&(id, true)) {
            return;
        }
        let Some(transaction) = self.clients.get(&(id, false)) else { return };
        let Some(invite) = &transaction.request else { return };
        let mut cancel = Request::new(Method::Cancel, invite.uri.clone());
        copy(invite, &mut cancel, &[HeaderName::Via, HeaderName::Route]);
        cancel.headers.push(HeaderName::MaxForwards, "70");
        copy(invite, &mut cancel, &[HeaderName::From, HeaderName::To, HeaderName::CallId]);
        let number = invite.cseq().map_or(1, |cseq| cseq.number);
        cancel.headers.push(HeaderName::CSeq, format!("{number} CANCEL"));
        if let Some(reason) = reason {
            cancel.headers.push(HeaderName::Reason, reason.to_owned());
        }
        let (branch, flow) = (transaction.branch.clone(), transaction.flow);
        self.start_client(now, (id, true), branch, flow, cancel, Owner::Nobody);
    }

    /// Sends a request that has no transaction: the ACK of a 2xx. Its bytes, to be sent again.
    pub(super) fn send_ack(&mut self, flow: Flow, mut ack: Request) -> Bytes {
        let (_, branch) = self.new_branch();
        self.put_via(flow, &branch, &mut ack);
        let bytes = datagram::bytes_of(&ack, flow);
        self.send(flow, bytes.clone());
        bytes
    }

    /// Branches begin with the number of their transaction, so that a response finds it without another table.
    fn new_branch(&mut self) -> (u64, String) {
        self.last_transaction += 1;
        let (id, random) = (self.last_transaction, self.random_hex());
        (id, format!("z9hG4bK{id:x}.{random}"))
    }

    fn put_via(&self, flow: Flow, branch: &str, request: &mut Request) {
        let (transport, sent_by) =
            (flow.transport.as_str(), way::advertised(&self.config.listeners, flow));
        let mut headers = Headers::new();
        let via = format!("SIP/2.0/{transport} {sent_by};branch={branch};rport");
        headers.push(HeaderName::Via, via);
        for (name, value) in request.headers.iter() {
            headers.push(name.clone(), value.clone());
        }
        request.headers = headers;
    }

    fn start_client(
        &mut self,
        now: Instant,
        id: ClientId,
        branch: String,
        flow: Flow,
        request: Request,
        owner: Owner,
    ) {
        let bytes = datagram::bytes_of(&request, flow);
        let fits = datagram::fits(&bytes, flow);
        let method = request.method.clone();
        let is_kept = method == Method::Invite
            || matches!(owner, Owner::Bye(_) | Owner::Refresh(..) | Owner::Prack(_));
        if fits && !flow.transport.is_reliable() {
            self.timers.set(now + T1, Due::ClientResend(id));
        }
        // What cannot be sent fails in a moment, when whoever asks knows its transaction.
        let until = if fits { now + TRANSACTION_LIFE } else { now };
        self.timers.set(until, Due::ClientEnd(id));
        if fits {
            self.send(flow, bytes.clone());
        }
        let transaction = ClientTransaction {
            branch,
            flow,
            method,
            state: ClientState::Calling,
            bytes,
            request: is_kept.then(|| Box::new(request)),
            acks: Vec::new(),
            pause: T1,
            started: now,
            until,
            owner,
        };
        self.clients.insert(id, transaction);
    }

    /// Lets a transaction end earlier than RFC 3261 says, if nothing has come by then.
    pub(super) fn hurry_client(&mut self, at: Instant, id: ClientId) {
        if let Some(transaction) = self.clients.get_mut(&id)
            && at < transaction.until
        {
            transaction.until = at;
            self.timers.set(at, Due::ClientEnd(id));
        }
    }

    pub(super) fn client_resend(&mut self, now: Instant, id: ClientId) {
        let Some(transaction) = self.clients.get_mut(&id) else { return };
        let is_invite = transaction.method == Method::Invite;
        let repeats = match transaction.state {
            ClientState::Calling => true,
            ClientState::Proceeding => !is_invite,
            ClientState::Completed | ClientState::Accepted => false,
        };
        let is_given_up = matches!(transaction.owner, Owner::GivenUp(_));
        if !repeats || is_given_up || now >= transaction.until {
            return;
        }
        // Timer A doubles without bound, timer E up to T2; while proceeding E is T2 (§17.1.2.2).
        transaction.pause = match (is_invite, transaction.state) {
            (true, _) => transaction.pause * 2,
            (false, ClientState::Proceeding) => T2,
            (false, _) => (transaction.pause * 2).min(T2),
        };
        if now + transaction.pause < transaction.until {
            self.timers.set(now + transaction.pause, Due::ClientResend(id));
        }
        self.counters.retransmitted += 1;
        let (flow, bytes) = (transaction.flow, transaction.bytes.clone());
        self.send(flow, bytes);
    }

    pub(super) fn client_end(&mut self, now: Instant, id: ClientId) {
        let Some(transaction) = self.clients.get(&id) else { return };
        if now < transaction.until {
            return;
        }
        if transaction.state == ClientState::Proceeding
            && let Owner::Dial(leg) = transaction.owner
            && self.is_wanted(leg)
        {
            return self.ring_on(now, id);
        }
        let fits = datagram::fits(&transaction.bytes, transaction.flow);
        if transaction.state == ClientState::Calling && fits && self.give_up(now, id) {
            return;
        }
        let Some(transaction) = self.clients.remove(&id) else { return };
        if matches!(transaction.state, ClientState::Calling | ClientState::Proceeding) {
            let (owner, flow) = (transaction.owner, transaction.flow);
            let (status, why) = if fits { (408, NO_ANSWER) } else { (513, datagram::TOO_LARGE) };
            self.on_client_failure(now, owner, flow, status, why);
        }
    }

    /// Timer C (RFC 3261 §16.6): a far end may ring for longer than 64·T1, but not for ever.
    fn ring_on(&mut self, now: Instant, id: ClientId) {
        let Some(transaction) = self.clients.get_mut(&id) else { return };
        let usual = transaction.started + TRANSACTION_LIFE;
        let limit = transaction.started + RING_LIMIT;
        if now < usual {
            // It was hurried, and has been quick; the usual timer is set already.
            transaction.until = usual;
        } else if now < limit {
            transaction.until = limit;
            self.timers.set(limit, Due::ClientEnd(id));
        } else if let Owner::Dial(leg) = transaction.owner {
            self.hang_up(now, leg, 408, "rang too long", EndedBy::Timeout);
        }
    }

    /// Ends the requests that wait for an answer on flows which can no longer bring one.
    pub(super) fn fail_clients(&mut self, now: Instant, why: &str, is_dead: impl Fn(Flow) -> bool) {
        let waits = |t: &ClientTransaction| {
            matches!(t.state, ClientState::Calling | ClientState::Proceeding)
        };
        let mut failed: Vec<ClientId> = self
            .clients
            .iter()
            .filter_map(|(id, t)| (waits(t) && is_dead(t.flow)).then_some(*id))
            .collect();
        failed.sort_unstable();
        for id in failed {
            if let Some(transaction) = self.clients.remove(&id) {
                self.on_client_failure(now, transaction.owner, transaction.flow, 503, why);
            }
        }
    }

    /// Finds the transaction of a response, moves it, and gives the response to whom it concerns.
    pub(super) fn on_response(&mut self, now: Instant, response: &Response) {
        let found = self.client_of(response);
        let Some((id, transaction)) = found.and_then(|id| Some((id, self.clients.get_mut(&id)?)))
        else {
            self.counters.strays += 1;
            return;
        };
        if transaction.method == Method::Invite {
            return self.on_invite_response(now, id, response);
        }
        if response.status < 200 {
            if transaction.state == ClientState::Calling {
                transaction.state = ClientState::Proceeding;
            }
            return;
        }
        if transaction.state == ClientState::Completed {
            return;
        }
        transaction.state = ClientState::Completed;
        transaction.bytes = Bytes::new();
        let request = transaction.request.take();
        let owner = std::mem::replace(&mut transaction.owner, Owner::Nobody);
        let is_stream = transaction.flow.transport.is_reliable();
        transaction.until = now + if is_stream { Duration::ZERO } else { T4 };
        self.timers.set(transaction.until, Due::ClientEnd(id));
        match owner {
            Owner::Registration(key, question) => {
                self.on_registration_response(now, key, question, response);
            }
            Owner::Leave(left) => self.on_leave_response(now, *left, response),
            Owner::Bye(trunk) => self.on_bye_response(now, id, &trunk, request, response),
            Owner::Refresh(leg, authorized) => {
                self.on_refresh_response(now, leg, authorized, request, response);
            }
            Owner::Probe(leg) => self.on_probe_response(now, leg, response),
            Owner::Key(leg) => self.on_key_done(leg),
            Owner::Prack(leg) => self.on_prack_response(now, id, leg, request, response),
            Owner::Health(server, question) => self.on_health(now, server, question, response),
            Owner::Dial(_) | Owner::GivenUp(_) | Owner::Nobody => {}
        }
    }

    fn on_invite_response(&mut self, now: Instant, id: ClientId, response: &Response) {
        let Some(transaction) = self.clients.get_mut(&id) else { return };
        let owner = transaction.owner.clone();
        match (response.status, transaction.state) {
            (..200, ClientState::Calling | ClientState::Proceeding) => {
                transaction.state = ClientState::Proceeding;
                match owner {
                    Owner::Dial(leg) => self.on_provisional(now, leg, id.0, response),
                    Owner::GivenUp(_) => self.withdraw_late(now, id.0),
                    _ => {}
                }
            }
            (200..300, ClientState::Calling | ClientState::Proceeding) => {
                transaction.state = ClientState::Accepted;
                transaction.bytes = Bytes::new();
                // The ACK needs the credentials (RFC 3261 §13.2.2.4); nothing else needs the request.
                transaction.request.take_if(|invite| !is_authorized(invite));
                transaction.until = now + TRANSACTION_LIFE;
                self.timers.set(transaction.until, Due::ClientEnd(id));
                match owner {
                    Owner::Dial(leg) => self.on_dial_answered(now, leg, id, response),
                    Owner::Refresh(leg, _) => self.on_reinvite_answered(now, leg, id, response),
                    Owner::GivenUp(trunk) => self.say_farewell(now, Some(trunk), id, response),
                    _ => {}
                }
            }
            (200..300, ClientState::Accepted) => match owner {
                Owner::Dial(leg) | Owner::Refresh(leg, _) => {
                    let trunk = self.legs.get(&leg).and_then(|leg| leg.trunk.clone());
                    self.on_further_answer(now, trunk, id, response);
                }
                Owner::GivenUp(trunk) => self.on_further_answer(now, Some(trunk), id, response),
                _ => {}
            },
            (300.., ClientState::Calling | ClientState::Proceeding) => {
                let flow = transaction.flow;
                let is_stream = flow.transport.is_reliable();
                transaction.state = ClientState::Completed;
                transaction.until = now + if is_stream { Duration::ZERO } else { TRANSACTION_LIFE };
                let Some(invite) = transaction.request.take() else { return };
                transaction.bytes = ack_of_refusal(&invite, response).to_bytes();
                let ack = transaction.bytes.clone();
                self.timers.set(transaction.until, Due::ClientEnd(id));
                self.send(flow, ack);
                match owner {
                    Owner::Dial(leg) => self.on_dial_refused(now, leg, &invite, response),
                    Owner::Refresh(leg, authorized) => {
                        self.on_refresh_response(now, leg, authorized, Some(invite), response);
                    }
                    _ => {}
                }
            }
            (300.., ClientState::Completed) => {
                let (flow, ack) = (transaction.flow, transaction.bytes.clone());
                self.send(flow, ack);
            }
            _ => {}
        }
    }

    fn client_of(&self, response: &Response) -> Option<ClientId> {
        let top = response.headers.values(&HeaderName::Via).next()?;
        let via = Via::parse(&top)?;
        let branch = via.branch()?;
        let number = branch.get("z9hG4bK".len()..)?.split('.').next()?;
        let method = response.cseq()?.method;
        let id = (u64::from_str_radix(number, 16).ok()?, method == Method::Cancel);
        let transaction = self.clients.get(&id)?;
        (transaction.branch == branch && transaction.method == method).then_some(id)
    }
}

/// Why a request failed that nobody answered.
pub(super) const NO_ANSWER: &str = "no answer from the network";

/// RFC 3261 §17.1.1.3.
fn ack_of_refusal(invite: &Request, response: &Response) -> Request {
    let mut ack = Request::new(Method::Ack, invite.uri.clone());
    copy(invite, &mut ack, &[HeaderName::Via, HeaderName::Route]);
    ack.headers.push(HeaderName::MaxForwards, "70");
    copy(invite, &mut ack, &[HeaderName::From]);
    let to = response.headers.line(&HeaderName::To).or(invite.headers.line(&HeaderName::To));
    ack.headers.push(HeaderName::To, to.cloned().unwrap_or_default());
    copy(invite, &mut ack, &[HeaderName::CallId]);
    let number = invite.cseq().map_or(1, |cseq| cseq.number);
    ack.headers.push(HeaderName::CSeq, format!("{number} ACK"));
    ack
}

fn is_authorized(request: &Request) -> bool {
    CREDENTIALS.iter().any(|name| request.headers.line(name).is_some())
}

pub(super) const CREDENTIALS: [HeaderName; 2] =
    [HeaderName::Authorization, HeaderName::ProxyAuthorization];

pub(super) fn copy(from: &Request, to: &mut Request, names: &[HeaderName]) {
    for name in names {
        for value in from.headers.lines(name) {
            to.headers.push(name.clone(), value.clone());
        }
    }
}
