//! Moves the transactions (RFC 3261 §17, RFC 6026).

use std::time::Instant;

use bytes::Bytes;

use super::config::{MAX_TRANSACTIONS, T1, T2, T4, TRANSACTION_LIFE};
use super::{Due, Endpoint, Flow};
use crate::transaction::{
    ClientState, ClientTransaction, Owner, ServerState, ServerTransaction, server_key,
};
use crate::wire::{HeaderName, Method, Request, Response};

impl Endpoint {
    /// Remembers a request so that its repetitions get the same response. `None` when it cannot be remembered.
    pub(super) fn open_server(&mut self, flow: Flow, request: &Request) -> Option<u64> {
        if self.servers.len() >= MAX_TRANSACTIONS {
            return None;
        }
        let key = server_key(request)?;
        self.last_transaction += 1;
        let id = self.last_transaction;
        self.server_keys.insert(key.clone(), id);
        self.servers.insert(
            id,
            ServerTransaction {
                key,
                flow,
                is_invite: request.method == Method::Invite,
                state: ServerState::Proceeding,
                last: Bytes::new(),
                pause: T1,
                leg: None,
            },
        );
        Some(id)
    }

    /// Sends a response of a transaction.
    pub(super) fn respond(&mut self, now: Instant, id: u64, response: &Response) {
        let Some(transaction) = self.servers.get_mut(&id) else { return };
        let (flow, bytes) = (transaction.flow, response.to_bytes());
        transaction.last = bytes.clone();
        match response.status {
            ..200 => {}
            200..300 if transaction.is_invite => {
                transaction.state = ServerState::Accepted;
                transaction.last = Bytes::new();
                self.timers.set(now + TRANSACTION_LIFE, Due::ServerEnd(id));
            }
            _ => {
                transaction.state = ServerState::Completed;
                let unreliable = !flow.transport.is_reliable();
                if transaction.is_invite && unreliable {
                    self.timers.set(now + T1, Due::ServerResend(id));
                }
                // Timer J is zero on a stream: nothing is repeated there.
                let life = if transaction.is_invite || unreliable {
                    TRANSACTION_LIFE
                } else {
                    std::time::Duration::ZERO
                };
                self.timers.set(now + life, Due::ServerEnd(id));
            }
        }
        self.send(flow, bytes);
    }

    /// Whether a request is one that we have seen; then it has been answered as before.
    pub(super) fn absorb_repetition(&mut self, request: &Request) -> bool {
        let Some(transaction) = server_key(request).and_then(|key| self.server_keys.get(&key))
        else {
            return false;
        };
        let Some(transaction) = self.servers.get(transaction) else { return false };
        self.counters.repeated += 1;
        if !transaction.last.is_empty() && transaction.state != ServerState::Confirmed {
            self.counters.retransmitted += 1;
            let (flow, bytes) = (transaction.flow, transaction.last.clone());
            self.send(flow, bytes);
        }
        true
    }

    /// The ACK of a refused INVITE. False if it is none.
    pub(super) fn absorb_ack(&mut self, now: Instant, ack: &Request) -> bool {
        let Some(id) = server_key(ack).and_then(|key| self.server_keys.get(&key).copied()) else {
            return false;
        };
        let Some(transaction) = self.servers.get_mut(&id) else { return false };
        if transaction.state != ServerState::Completed {
            return transaction.state == ServerState::Confirmed;
        }
        transaction.state = ServerState::Confirmed;
        transaction.last = Bytes::new();
        let timer_i =
            if transaction.flow.transport.is_reliable() { std::time::Duration::ZERO } else { T4 };
        self.timers.set(now + timer_i, Due::ServerEnd(id));
        true
    }

    pub(super) fn server_resend(&mut self, now: Instant, id: u64) {
        let Some(transaction) = self.servers.get_mut(&id) else { return };
        if transaction.state != ServerState::Completed || !transaction.is_invite {
            return;
        }
        transaction.pause = (transaction.pause * 2).min(T2);
        self.timers.set(now + transaction.pause, Due::ServerResend(id));
        self.counters.retransmitted += 1;
        let (flow, bytes) = (transaction.flow, transaction.last.clone());
        self.send(flow, bytes);
    }

    pub(super) fn server_end(&mut self, id: u64) {
        if let Some(transaction) = self.servers.remove(&id) {
            self.server_keys.remove(&transaction.key);
        }
    }

    /// Sends a request with a Via of its own, and repeats it as its transport needs. The transaction's number.
    pub(super) fn open_client(
        &mut self,
        now: Instant,
        flow: Flow,
        mut request: Request,
        owner: Owner,
    ) -> u64 {
        self.last_transaction += 1;
        let id = self.last_transaction;
        let branch = format!("z9hG4bK{id:x}.{}", self.random_hex());
        self.put_via(flow, &branch, &mut request);
        self.start_client(now, (id, false), branch, flow, request, owner);
        id
    }

    /// Cancels an INVITE that got a provisional answer (RFC 3261 §9.1).
    pub(super) fn send_cancel(&mut self, now: Instant, id: u64) {
        let Some(transaction) = self.clients.get(&(id, false)) else { return };
        if self.clients.contains_key(&(id, true)) {
            return;
        }
        let Some(invite) = &transaction.invite else { return };
        let mut cancel = Request::new(Method::Cancel, invite.uri.clone());
        copy(invite, &mut cancel, &[HeaderName::Via, HeaderName::Route]);
        cancel.headers.push(HeaderName::MaxForwards, "70");
        copy(invite, &mut cancel, &[HeaderName::From, HeaderName::To, HeaderName::CallId]);
        let number = invite.cseq().map_or(1, |cseq| cseq.number);
        cancel.headers.push(HeaderName::CSeq, format!("{number} CANCEL"));
        let (branch, flow) = (transaction.branch.clone(), transaction.flow);
        self.start_client(now, (id, true), branch, flow, cancel, Owner::Nobody);
    }

    /// Sends a request that has no transaction: the ACK of a 2xx. Its bytes, to be sent again.
    pub(super) fn send_ack(&mut self, flow: Flow, mut ack: Request) -> Bytes {
        self.last_transaction += 1;
        let (id, random) = (self.last_transaction, self.random_hex());
        self.put_via(flow, &format!("z9hG4bK{id:x}.{random}"), &mut ack);
        let bytes = ack.to_bytes();
        self.send(flow, bytes.clone());
        bytes
    }

    fn put_via(&self, flow: Flow, branch: &str, request: &mut Request) {
        let via = format!(
            "SIP/2.0/{} {};branch={branch};rport",
            flow.transport.as_str(),
            self.advertised(flow)
        );
        let mut headers = crate::wire::Headers::new();
        headers.push(HeaderName::Via, via);
        for (name, value) in request.headers.iter() {
            headers.push(name.clone(), value.clone());
        }
        request.headers = headers;
    }

    fn start_client(
        &mut self,
        now: Instant,
        id: super::ClientId,
        branch: String,
        flow: Flow,
        request: Request,
        owner: Owner,
    ) {
        let bytes = request.to_bytes();
        let method = request.method.clone();
        let invite = (method == Method::Invite).then(|| Box::new(request));
        if !flow.transport.is_reliable() {
            self.timers.set(now + T1, Due::ClientResend(id));
        }
        let until = now + TRANSACTION_LIFE;
        self.timers.set(until, Due::ClientEnd(id));
        self.send(flow, bytes.clone());
        let state = ClientState::Calling;
        self.clients.insert(
            id,
            ClientTransaction {
                branch,
                flow,
                method,
                state,
                bytes,
                invite,
                pause: T1,
                until,
                owner,
            },
        );
    }

    pub(super) fn client_resend(&mut self, now: Instant, id: super::ClientId) {
        let Some(transaction) = self.clients.get_mut(&id) else { return };
        let is_invite = transaction.method == Method::Invite;
        let repeats = match transaction.state {
            ClientState::Calling => true,
            ClientState::Proceeding => !is_invite,
            ClientState::Completed | ClientState::Accepted => false,
        };
        if !repeats || now >= transaction.until {
            return;
        }
        // Timer A doubles without bound, timer E up to T2; while proceeding E is T2 (§17.1.2.2).
        transaction.pause = match (is_invite, transaction.state) {
            (true, _) => transaction.pause * 2,
            (false, ClientState::Proceeding) => T2,
            (false, _) => (transaction.pause * 2).min(T2),
        };
        self.timers.set(now + transaction.pause, Due::ClientResend(id));
        self.counters.retransmitted += 1;
        let (flow, bytes) = (transaction.flow, transaction.bytes.clone());
        self.send(flow, bytes);
    }

    pub(super) fn client_end(&mut self, now: Instant, id: super::ClientId) {
        let Some(transaction) = self.clients.get(&id) else { return };
        if now < transaction.until {
            return;
        }
        let is_waiting_invite =
            transaction.method == Method::Invite && transaction.state == ClientState::Proceeding;
        if is_waiting_invite && !self.is_leaving(&transaction.owner) {
            return;
        }
        let Some(transaction) = self.clients.remove(&id) else { return };
        if matches!(transaction.state, ClientState::Calling | ClientState::Proceeding) {
            self.on_client_timeout(now, transaction.owner);
        }
    }

    /// Finds the transaction of a response, moves it, and gives the response to whom it concerns.
    pub(super) fn on_response(&mut self, now: Instant, _flow: Flow, response: &Response) {
        let Some(id) = self.client_of(response) else {
            self.counters.strays += 1;
            return;
        };
        let Some(transaction) = self.clients.get_mut(&id) else { return };
        let owner = transaction.owner.clone();
        if transaction.method == Method::Invite {
            self.on_invite_response(now, id, owner, response);
            return;
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
        let timer_k =
            if transaction.flow.transport.is_reliable() { std::time::Duration::ZERO } else { T4 };
        transaction.until = now + timer_k;
        self.timers.set(now + timer_k, Due::ClientEnd(id));
        if let Owner::Registration(company, trunk) = owner {
            self.on_registration_response(now, (company, trunk), response);
        }
    }

    fn on_invite_response(
        &mut self,
        now: Instant,
        id: super::ClientId,
        owner: Owner,
        response: &Response,
    ) {
        let Some(transaction) = self.clients.get_mut(&id) else { return };
        let Owner::Dial(leg) = owner else { return };
        match (response.status, transaction.state) {
            (..200, ClientState::Calling | ClientState::Proceeding) => {
                let is_first = transaction.state == ClientState::Calling;
                transaction.state = ClientState::Proceeding;
                self.on_provisional(now, leg, id.0, is_first, response);
            }
            (200..300, ClientState::Calling | ClientState::Proceeding) => {
                transaction.state = ClientState::Accepted;
                transaction.bytes = Bytes::new();
                transaction.until = now + TRANSACTION_LIFE;
                self.timers.set(now + TRANSACTION_LIFE, Due::ClientEnd(id));
                self.on_dial_answered(now, leg, response);
            }
            (200..300, ClientState::Accepted) => self.on_repeated_answer(now, leg, response),
            (300.., ClientState::Calling | ClientState::Proceeding) => {
                let flow = transaction.flow;
                let timer_d = if flow.transport.is_reliable() {
                    std::time::Duration::ZERO
                } else {
                    TRANSACTION_LIFE
                };
                transaction.state = ClientState::Completed;
                transaction.until = now + timer_d;
                let invite = transaction.invite.take();
                let ack = invite
                    .as_deref()
                    .map(|invite| ack_of_refusal(invite, response).to_bytes())
                    .unwrap_or_default();
                transaction.bytes = ack.clone();
                self.timers.set(now + timer_d, Due::ClientEnd(id));
                self.send(flow, ack);
                self.on_dial_refused(now, leg, invite, response);
            }
            (300.., ClientState::Completed) => {
                let (flow, ack) = (transaction.flow, transaction.bytes.clone());
                self.send(flow, ack);
            }
            _ => {}
        }
    }

    fn client_of(&self, response: &Response) -> Option<super::ClientId> {
        let top = response.headers.values(&HeaderName::Via).next()?;
        let branch = crate::wire::Via::parse(&top)?.branch()?.to_owned();
        let number = branch.strip_prefix("z9hG4bK")?.split('.').next()?;
        let id = (u64::from_str_radix(number, 16).ok()?, response.cseq()?.method == Method::Cancel);
        let transaction = self.clients.get(&id)?;
        (transaction.branch == branch && transaction.method == response.cseq()?.method)
            .then_some(id)
    }
}

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

fn copy(from: &Request, to: &mut Request, names: &[HeaderName]) {
    for name in names {
        for value in from.headers.lines(name) {
            to.headers.push(name.clone(), value.clone());
        }
    }
}
