//! What the phone is asked.

use super::*;

impl WildPhone {
    pub(super) fn on_request(&mut self, now: Instant, request: Request) {
        let key = key_of(&request);
        if let Some(server) = self.servers.iter().find(|server| server.key == key) {
            let last = server.last.clone();
            if request.method != Method::Ack {
                self.out.push_back(last);
                return;
            }
        }
        let tag = dialog_tag(&request);
        let call_id = request.headers.text(&HeaderName::CallId).unwrap_or("").to_owned();
        if request.method == Method::Ack {
            return self.on_ack(&request, &tag, &call_id);
        }
        if request.method == Method::Cancel {
            return self.on_cancel(now, &request);
        }
        let found = self.dialogs.iter().position(|d| d.call_id == call_id && d.local_tag == tag);
        match found {
            Some(dialog) => self.on_request_in_dialog(now, dialog, &request),
            None if tag.is_empty() && request.method == Method::Invite => {
                self.on_invite(now, request)
            }
            None => self.answer(now, &request, 481),
        }
    }

    pub(super) fn on_invite(&mut self, now: Instant, invite: Request) {
        let remote = invite.headers.text(&HeaderName::From).unwrap_or("").to_owned();
        let dialog = Dialog {
            call_id: invite.headers.text(&HeaderName::CallId).unwrap_or("").to_owned(),
            local_tag: format!("w{}", self.next_serial()),
            remote_tag: crate::dialog::tag_of(invite.headers.line(&HeaderName::From)),
            local: invite.headers.text(&HeaderName::To).unwrap_or("").to_owned(),
            remote,
            target: crate::way::target_of(&invite.headers).unwrap_or_default(),
            remote_cseq: invite.cseq().map(|cseq| cseq.number),
            ..Dialog::default()
        };
        let response = invite.response(100, "Trying", None);
        self.reply(now, &invite, &response, None);
        self.dialogs.push(Dialog { invite: Some(invite), ..dialog });
    }

    pub(super) fn on_ack(&mut self, request: &Request, tag: &str, call_id: &str) {
        let number = request.cseq().map(|cseq| cseq.number);
        let key = key_of(request);
        let found = self.dialogs.iter().position(|d| {
            d.call_id == call_id
                && d.local_tag == tag
                && d.unacknowledged.map(|(number, _)| number) == number
        });
        if let Some(dialog) = found {
            let known = &mut self.dialogs[dialog];
            if let Some((_, Some(port))) = known.unacknowledged.take() {
                assert!(!request.body.is_empty(), "an offer in a 2xx is answered in its ACK");
                known.port = port;
            }
            for server in self.servers.iter_mut().filter(|s| s.dialog == Some(dialog)) {
                server.resend = None;
            }
        }
        for server in self.servers.iter_mut().filter(|s| s.key == key && s.dialog.is_none()) {
            server.resend = None;
        }
    }

    pub(super) fn on_cancel(&mut self, now: Instant, cancel: &Request) {
        let is_it = |dialog: &Dialog| {
            let invite = dialog.invite.as_ref();
            invite.is_some_and(|invite| branch(&invite.headers) == branch(&cancel.headers))
        };
        let found = self.dialogs.iter().position(is_it);
        self.answer(now, cancel, 200);
        if let Some(dialog) = found {
            self.refuse(now, dialog, 487);
        }
    }

    pub(super) fn on_request_in_dialog(&mut self, now: Instant, dialog: usize, request: &Request) {
        let number = request.cseq().map(|cseq| cseq.number);
        let known = &mut self.dialogs[dialog];
        let state = request.headers.text(&HeaderName::SubscriptionState).unwrap_or("");
        // Whatever has overtaken it: it was told.
        known.transfers -= i32::from(state.starts_with("terminated"));
        if known.state == State::Over {
            // A BYE that crosses ours is answered, whatever else comes too late is not known.
            let status = if request.method == Method::Bye { 200 } else { 481 };
            return self.answer(now, request, status);
        }
        if known.remote_cseq.is_some() && number <= known.remote_cseq {
            return self.answer(now, request, 500);
        }
        known.remote_cseq = number;
        let is_reoffer = request.method == Method::Invite || !request.body.is_empty();
        match request.method {
            Method::Bye => {
                self.answer(now, request, 200);
                self.refuse(now, dialog, 487);
                let known = &mut self.dialogs[dialog];
                known.state = State::Over;
                known.unacknowledged = None;
                for server in self.servers.iter_mut().filter(|s| s.dialog == Some(dialog)) {
                    server.resend = None;
                }
            }
            Method::Invite | Method::Update if is_reoffer => {
                let is_early = known.state == State::Early;
                if known.busy || known.is_offering || known.unacknowledged.is_some() || is_early {
                    self.answer(now, request, 491);
                } else if self.dice.percent(10) {
                    self.answer(now, request, 488);
                } else {
                    self.accept_offer(now, dialog, request);
                }
            }
            Method::Prack => self.on_prack(now, dialog, request),
            _ => self.answer(now, request, 200),
        }
    }

    pub(super) fn on_prack(&mut self, now: Instant, dialog: usize, prack: &Request) {
        let known = &mut self.dialogs[dialog];
        let rack = prack.headers.text(&HeaderName::RAck).unwrap_or("");
        if !known.is_unpracked || rack.split(' ').next() != Some(known.rseq.to_string().as_str()) {
            return self.answer(now, prack, 481);
        }
        known.is_unpracked = false;
        if let Some(key) = known.invite.as_ref().map(key_of) {
            for server in self.servers.iter_mut().filter(|server| server.key == key) {
                server.resend = None;
            }
        }
        self.answer(now, prack, 200);
    }
}
