//! Moves the transactions of those who ask us (RFC 3261 §17.2, RFC 6026).

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::config::{MAX_TRANSACTIONS, T1, T2, T4, TRANSACTION_LIFE};
use super::requests::reason_phrase;
use super::{Due, Endpoint, Flow};
use crate::defence::source_of;
use crate::transaction::{ServerState, ServerTransaction, server_key};
use crate::wire::{HeaderName, Method, Request, Response};

impl Endpoint {
    /// Remembers a request so that its repetitions get the same response. `None` when it cannot be remembered: there
    /// are too many, or too many of a source that is no trunk's. What ends a call is never too much: calls are bounded.
    pub(super) fn open_server(
        &mut self,
        now: Instant,
        flow: Flow,
        request: &Request,
    ) -> Option<u64> {
        let ip = flow.peer.ip();
        let held = self.servers_of.get(&source_of(ip)).copied().unwrap_or(0);
        if self.servers.len() >= MAX_TRANSACTIONS {
            return None;
        }
        if held >= self.config.max_requests_of_source
            && !matches!(request.method, Method::Bye | Method::Cancel)
            && !self.trunks.is_source(now, ip)
        {
            self.counters.source_limited += 1;
            return None;
        }
        let key = server_key(request)?;
        *self.servers_of.entry(source_of(ip)).or_default() += 1;
        self.last_transaction += 1;
        let id = self.last_transaction;
        self.server_keys.insert(key.clone(), id);
        let transaction = ServerTransaction {
            key,
            flow,
            is_invite: request.method == Method::Invite,
            state: ServerState::Proceeding,
            last: Bytes::new(),
            pause: T1,
            leg: None,
        };
        self.servers.insert(id, transaction);
        Some(id)
    }

    /// Sends a response of a transaction.
    pub(super) fn respond(&mut self, now: Instant, id: u64, response: &Response) {
        let Some(transaction) = self.servers.get_mut(&id) else { return };
        let (flow, bytes) = (transaction.flow, response.to_bytes());
        let is_repeated = !flow.transport.is_reliable();
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
                if transaction.is_invite && is_repeated {
                    self.timers.set(now + T1, Due::ServerResend(id));
                }
                // Timer J is zero on a stream: nothing is repeated there.
                let is_kept = transaction.is_invite || is_repeated;
                let life = if is_kept { TRANSACTION_LIFE } else { Duration::ZERO };
                self.timers.set(now + life, Due::ServerEnd(id));
            }
        }
        self.send(flow, bytes);
    }

    /// Whether a request is one that we have seen; then it has been answered as before.
    pub(super) fn absorb_repetition(&mut self, request: &Request) -> bool {
        let id = server_key(request).and_then(|key| self.server_keys.get(&key));
        let Some(transaction) = id.and_then(|id| self.servers.get(id)) else { return false };
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
        let id = server_key(ack).and_then(|key| self.server_keys.get(&key).copied());
        let Some(id) = id else { return false };
        let Some(transaction) = self.servers.get_mut(&id) else { return false };
        if transaction.state != ServerState::Completed {
            return transaction.state == ServerState::Confirmed;
        }
        transaction.state = ServerState::Confirmed;
        transaction.last = Bytes::new();
        let is_stream = transaction.flow.transport.is_reliable();
        let timer_i = if is_stream { Duration::ZERO } else { T4 };
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
            let source = source_of(transaction.flow.peer.ip());
            if let Some(held) = self.servers_of.get_mut(&source) {
                *held -= 1;
                if *held == 0 {
                    self.servers_of.remove(&source);
                }
            }
        }
    }

    /// Answers with a final status without keeping anything: what comes again is answered again. It may go to a
    /// stranger, who is not told what we are.
    pub(super) fn refuse(
        &mut self,
        flow: Flow,
        request: &Request,
        status: u16,
        reason: &str,
        extra: &[(HeaderName, String)],
    ) {
        if request.method != Method::Ack {
            let bytes = self.final_response(request, status, reason, extra).to_bytes();
            self.send(flow, bytes);
        }
    }

    /// Answers with a final status and remembers it, so that a repetition isn't taken for a new request: for those
    /// who have shown who they are, because their credentials serve once.
    pub(super) fn answer_once(
        &mut self,
        now: Instant,
        flow: Flow,
        request: &Request,
        status: u16,
        reason: &str,
        extra: &[(HeaderName, String)],
    ) {
        let mut response = self.final_response(request, status, reason, extra);
        response.headers.push(HeaderName::Server, self.config.user_agent.clone());
        match self.open_server(now, flow, request) {
            Some(server) => self.respond(now, server, &response),
            None => self.send(flow, response.to_bytes()),
        }
    }

    fn final_response(
        &self,
        request: &Request,
        status: u16,
        reason: &str,
        extra: &[(HeaderName, String)],
    ) -> Response {
        let reason = if reason.is_empty() { reason_phrase(status) } else { reason };
        let mut response = request.response(status, reason, Some(&self.stateless_tag(request)));
        for (name, value) in extra {
            response.headers.push(name.clone(), value.clone());
        }
        response
    }
}
