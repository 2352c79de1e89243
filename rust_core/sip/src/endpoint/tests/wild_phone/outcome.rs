//! What becomes of what the phone has begun.

use super::*;

impl WildPhone {
    /// RFC 3262 §4: each reliable response in its order, once.
    pub(super) fn acknowledge_provisional(&mut self, now: Instant, at: usize, response: &Response) {
        let Client { dialog, offer, .. } = self.clients[at];
        let rseq = response.headers.text(&HeaderName::RSeq).and_then(|text| text.parse().ok());
        let Some(rseq) = rseq else { return };
        let known = &mut self.dialogs[dialog];
        if known.state != State::Early || known.rseq != 0 && rseq != known.rseq + 1 {
            return;
        }
        known.rseq = rseq;
        known.target = crate::way::target_of(&response.headers).unwrap_or_default();
        if let Some(port) = offer.filter(|_| !response.body.is_empty()) {
            known.is_answered_early = true;
            known.port = port;
        }
        let number = self.clients[at].request.cseq().map_or(0, |cseq| cseq.number);
        let may_offer = known.is_answered_early && !known.is_offering;
        let offer = (may_offer && self.dice.percent(30)).then(|| self.next_port());
        let serial = self.next_serial();
        let known = &mut self.dialogs[dialog];
        known.local_cseq += 1;
        known.is_offering |= offer.is_some();
        let mut prack = known.request(Method::Prack, known.local_cseq, serial);
        prack.headers.push(HeaderName::RAck, format!("{rseq} {number} INVITE"));
        if let Some(port) = offer {
            self.describe(&mut prack.headers, &mut prack.body, port);
        }
        self.begin(now, dialog, prack, offer);
    }

    pub(super) fn on_response(&mut self, now: Instant, response: &Response) {
        let (branch, method) = (branch(&response.headers), response.cseq().map(|c| c.method));
        let is_it = |c: &Client| c.branch == branch && Some(&c.request.method) == method.as_ref();
        let Some(at) = self.clients.iter().position(is_it) else { return };
        let client = &mut self.clients[at];
        if response.status < 200 {
            if !client.done {
                client.provisional = true;
                client.resend = client.resend.filter(|_| client.request.method != Method::Invite);
                if client.request.method == Method::Invite {
                    client.until = now + Duration::from_secs(300);
                }
                let dialog = client.dialog;
                if self.dialogs[dialog].state == State::Early {
                    self.dialogs[dialog].remote_tag = tag(response);
                }
                if response.headers.has_token(&HeaderName::Require, "100rel") {
                    self.acknowledge_provisional(now, at, response);
                }
                if self.dialogs[dialog].cancelled {
                    self.cancel(now, dialog);
                }
            }
            return;
        }
        if let Some(ack) = &client.ack {
            self.out.push_back(ack.clone());
        }
        if !std::mem::replace(&mut client.done, true) {
            client.resend = None;
            client.until = now + PATIENCE;
            self.on_final(now, at, response);
        }
    }

    pub(super) fn on_final(&mut self, now: Instant, at: usize, response: &Response) {
        let Client { dialog, offer, .. } = self.clients[at];
        let request = self.clients[at].request.clone();
        let is_invite = request.method == Method::Invite;
        let is_ok = response.status < 300;
        if is_invite && !is_ok {
            let mut ack = request.clone();
            ack.method = Method::Ack;
            let number = ack.cseq().map_or(0, |cseq| cseq.number);
            ack.headers.set(HeaderName::CSeq, format!("{number} ACK"));
            let to = response.headers.line(&HeaderName::To).cloned().unwrap_or_default();
            ack.headers.set(HeaderName::To, to);
            ack.headers.remove(&HeaderName::ContentType);
            ack.body = Bytes::new();
            self.acknowledge(at, &ack);
        }
        let known = &mut self.dialogs[dialog];
        if is_invite {
            known.busy = false;
        } else if offer.is_some() {
            known.is_offering = false;
        }
        if is_invite && is_ok {
            let serial = self.next_serial();
            let known = &mut self.dialogs[dialog];
            known.remote_tag = tag(response);
            known.target = crate::way::target_of(&response.headers).unwrap_or_default();
            let number = request.cseq().map_or(0, |cseq| cseq.number);
            let mut ack = known.request(Method::Ack, number, serial);
            let was_answered = known.state == State::Early && known.is_answered_early;
            match offer {
                Some(_) if was_answered => {}
                Some(port) => known.port = port,
                None => {
                    let port = self.next_port();
                    self.describe(&mut ack.headers, &mut ack.body, port);
                    self.dialogs[dialog].port = port;
                }
            }
            // Some are broken, and acknowledge nothing.
            if self.is_calm || !self.dice.percent(3) {
                self.acknowledge(at, &ack);
            }
            let known = &mut self.dialogs[dialog];
            if known.state == State::Early {
                known.state = State::Confirmed;
                if known.cancelled {
                    self.bye(now, dialog);
                }
            }
        } else if is_ok {
            if let Some(port) = offer {
                known.port = port;
            }
            let is_told = response.headers.text(&HeaderName::ReferSub).is_none();
            known.transfers += i32::from(response.status == 202 && is_told);
        } else if response.status == 407 {
            self.authorize(now, dialog, request, offer, response);
        } else if is_invite && known.state == State::Early {
            known.state = State::Over;
        } else if matches!(response.status, 408 | 481) {
            // RFC 3261 §12.2.1.2: the dialog is over.
            self.bye(now, dialog);
        }
    }

    pub(super) fn acknowledge(&mut self, at: usize, ack: &Request) {
        let ack = ack.to_bytes();
        self.out.push_back(ack.clone());
        self.clients[at].ack = Some(ack);
    }

    pub(super) fn authorize(
        &mut self,
        now: Instant,
        dialog: usize,
        mut request: Request,
        offer: Option<u16>,
        response: &Response,
    ) {
        let lines: Vec<_> =
            response.headers.lines(&HeaderName::ProxyAuthenticate).cloned().collect();
        assert!(self.digest.accept_challenge(&lines, &self.credentials));
        let (method, uri) = (request.method.as_str().to_owned(), request.uri.clone());
        let value = self.digest.authorize(&method, &uri, &self.credentials).expect("a challenge");
        let serial = self.next_serial();
        let known = &mut self.dialogs[dialog];
        if known.cancelled {
            known.state = State::Over;
            return;
        }
        known.local_cseq += 1;
        known.busy = true;
        request.headers.set(HeaderName::CSeq, format!("{} {method}", known.local_cseq));
        request.headers.set(HeaderName::Via, via(serial));
        request.headers.set(HeaderName::ProxyAuthorization, value);
        self.begin(now, dialog, request, offer);
    }

    pub(super) fn gave_up(&mut self, now: Instant, client: &Client) {
        if self.dialogs[client.dialog].state != State::Over || client.request.method == Method::Bye
        {
            self.unanswered.push(format!("{:?}", client.request));
        }
        let known = &mut self.dialogs[client.dialog];
        if client.request.method == Method::Invite {
            known.busy = false;
        } else if client.offer.is_some() {
            known.is_offering = false;
        }
        match (&client.request.method, known.state) {
            (Method::Cancel | Method::Bye, _) => {}
            (Method::Invite, State::Early) => known.state = State::Over,
            _ => self.bye(now, client.dialog),
        }
    }
}
