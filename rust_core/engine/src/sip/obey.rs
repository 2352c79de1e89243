//! What commands and events mean on the SIP thread.

use std::time::Instant;

use tandem_sip::endpoint::{
    Command as SipCommand, Dated, EndedBy, Event as SipEvent, FIRST_DIALLED_LEG, Host, Incoming,
    LegEnd, LegId,
};

use super::resolver::literal;
use super::thread::SipThread;
use crate::clock;
use crate::command::Command;
use crate::event::{Event, What};
use crate::media::{MediaEvent, MediaEventKind};

impl SipThread {
    pub(super) fn obey(&mut self, now: Instant, command: Command) {
        if let Some(leg) = command.decides() {
            self.setup.decided(leg.0, now);
        }
        match command {
            Command::Ring(leg) => self.endpoint.handle_command(now, SipCommand::Ring(leg)),
            Command::Answer { leg, like } => {
                if let Some(bound) = self.joints.bound(leg) {
                    let rtp = self.options.advertised(bound);
                    self.endpoint.handle_command(now, SipCommand::Answer { leg, like, rtp });
                }
            }
            Command::Reject { leg, status, reason, retry_after_s } => {
                self.endpoint
                    .handle_command(now, SipCommand::Reject { leg, status, reason, retry_after_s });
            }
            Command::Dial { leg, .. } if self.joints.is_known(leg) => {}
            Command::Dial { leg, target, caller, offer_of } => {
                if let Some(arrived) = offer_of {
                    self.setup.dialled(arrived.0, now);
                }
                match self.joints.open(leg, offer_of) {
                    Ok(bound) => {
                        let rtp = self.options.advertised(bound);
                        self.endpoint.handle_command(
                            now,
                            SipCommand::Dial { leg, target, caller, offer_of, rtp },
                        );
                        self.tap_dialled(leg, offer_of);
                    }
                    Err(_) => {
                        let end = LegEnd {
                            status: 503,
                            by: EndedBy::Us,
                            reason: NO_PORT.to_owned(),
                            moved_to: String::new(),
                        };
                        self.tell_end(leg, now, end);
                    }
                }
            }
            Command::HangUp { leg, status, reason } => {
                let by = EndedBy::Us;
                self.endpoint.handle_command(now, SipCommand::HangUp { leg, status, reason, by });
            }
            Command::TellTransfer { leg, status } => {
                self.endpoint.handle_command(now, SipCommand::TellTransfer { leg, status });
            }
            Command::Hears { leg, source } => self.joints.hears(leg, source),
            Command::SendKeys { leg, keys, press } => self.joints.send_keys(leg, keys, press),
            Command::Record { leg, path, max } => self.joints.record(leg, path, max),
            Command::StopRecording(leg) => self.joints.stop_recording(leg),
            Command::SetPrompt { name, samples } => self.joints.media.set_prompt(&name, &samples),
            Command::SetAccounts(accounts) => {
                self.endpoint.handle_command(now, SipCommand::SetAccounts(accounts))
            }
            Command::SetTrunks(mut trunks) => {
                let mut named = Vec::new();
                for trunk in &mut trunks {
                    let transport = trunk.transport;
                    for own in &mut trunk.hosts.list {
                        let host = own.wanted(transport);
                        own.servers = self.resolver.servers(&host);
                        if literal(&host).is_none() {
                            named.push(host);
                        }
                    }
                }
                let by_name = |host: &Host| (host.name.clone(), host.port, host.transport.as_str());
                named.sort_by_key(by_name);
                named.dedup();
                if let Some(tls) = &mut self.connections.tls {
                    tls.set_trunks(&trunks);
                }
                self.endpoint.handle_command(now, SipCommand::SetTrunks(trunks));
                self.resolver.watch(named);
            }
            Command::RestoreBans(bans) => {
                self.endpoint.handle_command(now, SipCommand::RestoreBans(bans));
            }
            Command::LiftBan(ip) => self.endpoint.handle_command(now, SipCommand::LiftBan(ip)),
            Command::RestoreBindings(bindings) => {
                self.endpoint.handle_command(now, SipCommand::RestoreBindings(bindings));
            }
        }
    }

    /// The ports of a caller are its own from the beginning: it is refused now or never for want of any. Whoever wants
    /// another's place will hear whom that one hears, and only one thread moves the packets of both.
    fn arrive(&mut self, at: Instant, incoming: Box<Incoming>) {
        let leg = incoming.leg;
        match self.joints.open(leg, incoming.instead_of) {
            Ok(_) => {
                self.setup.arrived(leg.0, at);
                self.shared.trace.claim(leg, &incoming.call_id);
                self.tell(at, What::IncomingCall(incoming));
            }
            Err(_) => {
                let reason = NO_PORT.to_owned();
                let refusal =
                    SipCommand::Reject { leg, status: 503, reason, retry_after_s: Some(5) };
                self.endpoint.handle_command(at, refusal);
            }
        }
    }

    /// The one for whom a leg was dialled hears it before the answer.
    fn let_be_heard(&mut self, at: Instant, leg: LegId, listener: LegId) {
        let Some(bound) = self.joints.bound(listener) else { return };
        let rtp = self.options.advertised(bound);
        let progress = SipCommand::Progress { leg: listener, like: leg, rtp };
        self.endpoint.handle_command(at, progress);
        self.joints.hears_early(listener, leg);
        self.tell(at, What::LegHeardEarly { leg: leg.0, listener: listener.0 });
    }

    /// Takes what the endpoint has to tell.
    pub(super) fn collect(&mut self) {
        while let Some(Dated { at, event }) = self.endpoint.poll_event() {
            match event {
                SipEvent::Incoming(incoming) => self.arrive(at, incoming),
                SipEvent::Ringing(leg) => self.tell(at, What::LegRinging { leg: leg.0 }),
                SipEvent::EarlyMedia { leg, listener } => self.let_be_heard(at, leg, listener),
                SipEvent::Answered(leg) => {
                    self.joints.answered(leg, at);
                    self.tell(at, What::LegAnswered { leg: leg.0 });
                }
                SipEvent::MediaAgreed(leg, agreed, source) => {
                    self.joints.agreed(leg, &agreed, source)
                }
                SipEvent::KeyPressed(leg, key) => self.joints.pass_key(leg, key),
                SipEvent::TransferAsked { leg, to, instead_of } => {
                    self.ask_transfer(at, leg, to, instead_of);
                }
                SipEvent::Ended(leg, end) => self.tell_end(leg, at, end),
                SipEvent::RegistrationChanged { company, device, bindings, why } => {
                    let why = why.as_str();
                    self.tell(at, What::RegistrationChanged { company, device, bindings, why });
                }
                SipEvent::RegistrationsRefreshed(bindings) => {
                    self.tell(at, What::RegistrationsRefreshed { bindings });
                }
                SipEvent::WrongPasswords { source, count, account } => {
                    let source = source.to_string();
                    self.tell(at, What::WrongPasswords { source, count, account });
                }
                SipEvent::Malformed { source, count, last } => {
                    let source = source.to_string();
                    self.tell(at, What::MalformedMessages { source, count, last });
                }
                SipEvent::SourceBanned { source, why, lasts, times, account } => {
                    let (source, why) = (source.to_string(), why.as_str());
                    let lasts_s = lasts.as_secs_f64();
                    self.tell(at, What::SourceBanned { source, why, lasts_s, times, account });
                }
                SipEvent::BanLifted(source) => {
                    self.tell(at, What::BanLifted { source: source.to_string() });
                }
                SipEvent::Proven(connection) => self.connections.prove(connection),
                SipEvent::Tried(leg, tried) => {
                    self.tell(at, What::ServerTried { leg: leg.0, tried })
                }
                SipEvent::TrunkChanged(state) => self.tell(at, What::TrunkStateChanged(state)),
            }
        }
    }

    /// Legs whose packets are moved by different threads cannot be joined: the phone keeps both calls then.
    fn ask_transfer(&mut self, at: Instant, leg: LegId, to: String, instead_of: Option<LegId>) {
        if instead_of.is_some_and(|other| !self.joints.share_a_thread(leg, other)) {
            return self.endpoint.handle_command(at, SipCommand::TellTransfer { leg, status: 488 });
        }
        let instead_of = instead_of.map(|other| other.0);
        self.tell(at, What::TransferAsked { leg: leg.0, to, instead_of });
    }

    pub(super) fn on_media(&mut self, now: Instant, MediaEvent { leg, at, kind }: MediaEvent) {
        match kind {
            MediaEventKind::KeyPressed { key } => {
                self.joints.press_early(leg, key);
                self.tell(at, What::KeyPressed { leg, key });
            }
            MediaEventKind::KeyUntaken { key } => {
                let press = SipCommand::PressKey { leg: LegId(leg), key };
                self.endpoint.handle_command(now, press);
            }
            MediaEventKind::PlaybackEnded { prompt, played_ms } => {
                self.tell(at, What::PlaybackEnded { leg, prompt, played_ms });
            }
            MediaEventKind::RecordingEnded { path, recorded_ms, error } => {
                let path = path.to_string_lossy().into_owned();
                self.tell(at, What::RecordingEnded { leg, path, recorded_ms, error });
            }
            // Before the answer nobody has to say anything.
            MediaEventKind::Silent if !self.joints.is_answered(LegId(leg)) => {}
            MediaEventKind::Silent => {
                let hang_up = SipCommand::HangUp {
                    leg: LegId(leg),
                    status: 408,
                    reason: "no media".to_owned(),
                    by: EndedBy::Media,
                };
                self.endpoint.handle_command(now, hang_up);
            }
            MediaEventKind::Closed { report } => {
                if let Some((at, last)) = self.joints.closed(leg, report) {
                    self.tell(at, last);
                }
            }
        }
    }

    pub(super) fn tell_end(&mut self, leg: LegId, at: Instant, end: LegEnd) {
        if leg.0 < FIRST_DIALLED_LEG && !self.joints.is_known(leg) {
            return; // A caller that there was no port for: nobody was told of it.
        }
        self.setup.ended(leg.0);
        if let Some((at, last)) = self.joints.ended(leg, at, end) {
            self.tell(at, last);
        }
    }

    pub(super) fn tell(&mut self, at: Instant, what: What) {
        self.told.push(Event { at_ns: clock::ns(at), what });
    }
}

/// What peers are told where no port could be opened: why is not theirs to know.
const NO_PORT: &str = "no RTP port";
