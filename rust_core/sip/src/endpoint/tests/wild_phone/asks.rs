//! What the phone begins.

use super::*;

impl WildPhone {
    /// Calls the exchange.
    pub(in crate::endpoint::tests) fn call(&mut self, now: Instant) {
        let call_id = format!("wild{}", self.next_serial());
        let local_tag = format!("w{}", self.next_serial());
        self.dialogs.push(Dialog {
            call_id,
            local_tag,
            busy: true,
            is_caller: true,
            local: format!("<sip:anna@{REALM}>"),
            remote: format!("<sip:102@{REALM}>"),
            target: format!("sip:102@{US}"),
            ..Dialog::default()
        });
        let dialog = self.dialogs.len() - 1;
        let offer = (!self.dice.percent(15)).then(|| self.next_port());
        self.ask(now, dialog, Method::Invite, offer);
    }

    /// Does something to some dialog, or nothing.
    pub(in crate::endpoint::tests) fn act(&mut self, now: Instant) {
        if self.dialogs.is_empty() || self.is_calm {
            return;
        }
        self.actions += 1;
        let dialog = self.dice.below(self.dialogs.len() as u64) as usize;
        match self.dialogs[dialog].state {
            State::Over => {}
            State::Early if self.dialogs[dialog].is_caller => match self.dice.below(10) {
                0..3 => self.cancel(now, dialog),
                3 if !self.dialogs[dialog].remote_tag.is_empty() => self.bye(now, dialog),
                4..7 => self.update_early(now, dialog),
                _ => {}
            },
            State::Early => self.decide(now, dialog),
            State::Confirmed => self.change(now, dialog),
        }
    }

    /// Ends all that is left.
    pub(in crate::endpoint::tests) fn hang_up_all(&mut self, now: Instant) {
        for dialog in 0..self.dialogs.len() {
            match self.dialogs[dialog].state {
                State::Early if self.dialogs[dialog].is_caller => self.cancel(now, dialog),
                State::Early => self.refuse(now, dialog, 480),
                State::Confirmed => self.bye(now, dialog),
                State::Over => {}
            }
        }
    }

    pub(super) fn decide(&mut self, now: Instant, dialog: usize) {
        match self.dice.below(12) {
            0..4 => self.provisional(now, dialog),
            4 => self.update_early(now, dialog),
            5 => self.refuse(now, dialog, 302),
            6 => self.refuse(now, dialog, 486),
            7 => {
                self.accept(now, dialog);
                // A proxy behind it has forked: another 2xx with a tag of its own.
                self.fork(now, dialog);
            }
            8 => self.bye(now, dialog),
            _ => self.accept(now, dialog),
        }
    }

    pub(super) fn change(&mut self, now: Instant, dialog: usize) {
        let known = &self.dialogs[dialog];
        let is_open = known.unacknowledged.is_none() && !known.busy && !known.is_offering;
        match self.dice.below(11) {
            10 => self.refer(now, dialog),
            0..3 if is_open => {
                let offer = (!self.dice.percent(25)).then(|| self.next_port());
                self.ask(now, dialog, Method::Invite, offer);
            }
            3..5 if is_open => {
                let offer = self.next_port();
                self.ask(now, dialog, Method::Update, Some(offer));
            }
            5 => self.ask(now, dialog, Method::Info, None),
            6 => self.ask(now, dialog, Method::Options, None),
            7 => self.ask(now, dialog, Method::Update, None),
            8 if self.dice.percent(40) => self.bye(now, dialog),
            _ => {}
        }
    }

    /// A transfer to a number, or to the other end of another call of its own.
    pub(super) fn refer(&mut self, now: Instant, dialog: usize) {
        let serial = self.next_serial();
        let other = &self.dialogs[self.dice.below(self.dialogs.len() as u64) as usize];
        let replaces = format!(
            "?Replaces={}%3Bto-tag%3D{}%3Bfrom-tag%3D{}",
            other.call_id, other.remote_tag, other.local_tag
        );
        let to = if self.dice.percent(50) { replaces } else { String::new() };
        let known = &mut self.dialogs[dialog];
        known.local_cseq += 1;
        let mut request = known.request(Method::Refer, known.local_cseq, serial);
        request.headers.push(HeaderName::ReferTo, format!("<sip:103@{REALM}{to}>"));
        if self.dice.percent(20) {
            request.headers.push(HeaderName::ReferSub, "false");
        }
        self.begin(now, dialog, request, None);
    }

    /// RFC 3311: a new offer, where the first has its answer.
    pub(super) fn update_early(&mut self, now: Instant, dialog: usize) {
        let known = &self.dialogs[dialog];
        if known.is_answered_early && !known.is_unpracked && !known.is_offering {
            let offer = self.next_port();
            self.ask(now, dialog, Method::Update, Some(offer));
        }
    }

    pub(super) fn ask(&mut self, now: Instant, dialog: usize, method: Method, offer: Option<u16>) {
        let serial = self.next_serial();
        let is_invite = method == Method::Invite;
        let is_reoffer = is_invite || offer.is_some();
        let known = &mut self.dialogs[dialog];
        known.local_cseq += 1;
        known.busy |= is_invite;
        known.is_offering |= offer.is_some() && !is_invite;
        let is_first = is_invite && known.state == State::Early;
        let mut request = known.request(method, known.local_cseq, serial);
        match self.dice.below(4) {
            0 | 1 if is_first => request.headers.push(HeaderName::Supported, "100rel"),
            2 if is_first => request.headers.push(HeaderName::Require, "100rel"),
            _ => {}
        }
        if is_reoffer && self.dice.percent(50) {
            request.headers.push(HeaderName::Supported, "timer");
            let refresher = ["uas", "uac"][self.dice.below(2) as usize];
            let interval = format!("90;refresher={refresher}");
            request.headers.push(HeaderName::SessionExpires, interval);
        }
        if let Some(port) = offer {
            self.describe(&mut request.headers, &mut request.body, port);
        }
        self.begin(now, dialog, request, offer);
    }

    pub(super) fn begin(
        &mut self,
        now: Instant,
        dialog: usize,
        request: Request,
        offer: Option<u16>,
    ) {
        self.out.push_back(request.to_bytes());
        self.clients.push(Client {
            branch: branch(&request.headers),
            request,
            dialog,
            offer,
            resend: Some((now + T1, T1)),
            until: now + PATIENCE,
            provisional: false,
            ack: None,
            done: false,
        });
    }

    pub(super) fn bye(&mut self, now: Instant, dialog: usize) {
        // Who is called says BYE only after its ACK came or its time is over (RFC 3261 §15).
        let known = &self.dialogs[dialog];
        if known.state == State::Over || known.unacknowledged.is_some() {
            return;
        }
        if known.invite.is_some() {
            return self.refuse(now, dialog, 480);
        }
        self.dialogs[dialog].state = State::Over;
        self.ask(now, dialog, Method::Bye, None);
    }

    pub(super) fn cancel(&mut self, now: Instant, dialog: usize) {
        self.dialogs[dialog].cancelled = true;
        let is_it = |client: &&Client| {
            client.dialog == dialog && client.request.method == Method::Invite && !client.done
        };
        // RFC 3261 §9.1: not before something came back.
        let Some(client) = self.clients.iter().find(is_it).filter(|client| client.provisional)
        else {
            return;
        };
        let mut cancel = client.request.clone();
        cancel.method = Method::Cancel;
        let number = cancel.cseq().map_or(0, |cseq| cseq.number);
        cancel.headers.set(HeaderName::CSeq, format!("{number} CANCEL"));
        cancel.headers.remove(&HeaderName::ContentType);
        cancel.body = Bytes::new();
        let is_sent = |other: &Client| {
            other.request.method == Method::Cancel && other.branch == client.branch
        };
        if !self.clients.iter().any(is_sent) {
            // Whoever cancelled waits for the final answer as long as for any other.
            let branch = client.branch.clone();
            for client in self.clients.iter_mut().filter(|client| client.branch == branch) {
                client.until = now + PATIENCE;
            }
            self.begin(now, dialog, cancel, None);
        }
    }
}
