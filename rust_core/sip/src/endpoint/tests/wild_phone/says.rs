//! What the phone says to what it was asked.

use super::*;

impl WildPhone {
    pub(super) fn provisional(&mut self, now: Instant, dialog: usize) {
        let known = &mut self.dialogs[dialog];
        let Some(invite) = known.invite.clone().filter(|_| !known.is_unpracked) else { return };
        let is_reliable = invite.headers.has_token(&HeaderName::Supported, "100rel")
            && (self.dice.percent(50) || known.is_answered_early);
        // Some come from forks that never answer.
        let is_fork = !is_reliable && self.dice.percent(30);
        let tag = if is_fork { format!("{}x", known.local_tag) } else { known.local_tag.clone() };
        let mut response = invite.response(180, "Ringing", Some(&tag));
        response.headers.push(HeaderName::Contact, format!("<sip:anna@{AT}>"));
        let describes = !invite.body.is_empty() && !known.is_answered_early;
        if is_reliable {
            known.rseq += 1;
            known.is_unpracked = true;
            response.headers.push(HeaderName::Require, "100rel");
            response.headers.push(HeaderName::RSeq, known.rseq.to_string());
        }
        if describes && self.dice.percent(60) {
            let port = self.next_port();
            self.describe(&mut response.headers, &mut response.body, port);
            if is_reliable {
                self.dialogs[dialog].is_answered_early = true;
                self.dialogs[dialog].port = port;
            }
        }
        self.reply(now, &invite, &response, None);
    }

    pub(super) fn refuse(&mut self, now: Instant, dialog: usize, status: u16) {
        let known = &mut self.dialogs[dialog];
        let Some(invite) = known.invite.take() else { return };
        known.state = State::Over;
        let response = invite.response(status, "No", Some(&known.local_tag));
        self.reply(now, &invite, &response, None);
    }

    pub(super) fn accept(&mut self, now: Instant, dialog: usize) {
        let known = &mut self.dialogs[dialog];
        if known.is_unpracked || known.is_offering {
            return; // RFC 3262 §3: not before the PRACK, where there was a description.
        }
        let Some(invite) = known.invite.take() else { return };
        known.state = State::Confirmed;
        self.accept_offer(now, dialog, &invite);
    }

    pub(super) fn fork(&mut self, now: Instant, dialog: usize) {
        if self.dialogs[dialog].is_answered_early {
            return; // Its 2xx says nothing of the session, but a fork's would have to.
        }
        let key = |server: &Server| server.dialog == Some(dialog);
        let Some(server) = self.servers.iter().rev().find(|server| key(server)) else { return };
        let text = String::from_utf8_lossy(&server.last).into_owned();
        let tag = format!("w{}", self.next_serial());
        let known = &self.dialogs[dialog];
        let text = text.replace(&known.local_tag, &tag);
        let twin = Dialog {
            call_id: known.call_id.clone(),
            local_tag: tag,
            remote_tag: known.remote_tag.clone(),
            local: known.local.clone(),
            remote: known.remote.clone(),
            target: known.target.clone(),
            unacknowledged: known.unacknowledged,
            invite: None,
            ..*known
        };
        self.dialogs.push(twin);
        let serial = self.next_serial();
        self.out.push_back(Bytes::from(text.clone()));
        self.servers.push(Server {
            key: format!("fork{serial}"),
            last: text.into(),
            resend: Some((now + T1, T1)),
            dialog: Some(self.dialogs.len() - 1),
            until: now + PATIENCE,
        });
    }

    /// 2xx to an INVITE or UPDATE: the answer to its offer, or an offer where it has none.
    pub(super) fn accept_offer(&mut self, now: Instant, dialog: usize, request: &Request) {
        let known = &self.dialogs[dialog];
        let mut response = request.response(200, "OK", Some(&known.local_tag));
        response.headers.push(HeaderName::Contact, format!("<sip:anna@{AT}>"));
        if request.headers.text(&HeaderName::SessionExpires).is_some() && self.dice.percent(70) {
            response.headers.push(HeaderName::Require, "timer");
            response.headers.push(HeaderName::SessionExpires, "90;refresher=uac");
        }
        let is_invite = request.method == Method::Invite;
        let has_offer = !request.body.is_empty();
        let mut late = None;
        let is_reinvite = !dialog_tag(request).is_empty();
        let was_answered = is_invite && !is_reinvite && known.is_answered_early;
        if (has_offer || is_invite) && !was_answered {
            let port = self.next_port();
            self.describe(&mut response.headers, &mut response.body, port);
            if has_offer {
                self.dialogs[dialog].port = port;
            } else {
                late = Some(port);
            }
        }
        if is_invite {
            let number = request.cseq().map_or(0, |cseq| cseq.number);
            self.dialogs[dialog].unacknowledged = Some((number, late));
        }
        self.reply(now, request, &response, is_invite.then_some(dialog));
    }

    pub(super) fn answer(&mut self, now: Instant, request: &Request, status: u16) {
        let response = request.response(status, "So", None);
        self.reply(now, request, &response, None);
    }

    pub(super) fn reply(
        &mut self,
        now: Instant,
        request: &Request,
        response: &Response,
        dialog: Option<usize>,
    ) {
        let (key, last) = (key_of(request), response.to_bytes());
        self.out.push_back(last.clone());
        self.servers.retain(|server| server.key != key);
        let is_reliable = response.headers.has_token(&HeaderName::Require, "100rel");
        let is_repeated =
            request.method == Method::Invite && (response.status >= 200 || is_reliable);
        let patience = if response.status < 200 { 10 * PATIENCE } else { PATIENCE };
        self.servers.push(Server {
            key,
            last,
            resend: is_repeated.then_some((now + T1, T1)),
            dialog,
            until: now + patience,
        });
    }
}
