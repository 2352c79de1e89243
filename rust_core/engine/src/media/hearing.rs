//! Who hears what: agreements, the matrix of legs, keys and recordings.

use std::path::PathBuf;
use std::time::Duration;

use tandem_media::codec::Law;
use tandem_media::dtmf::Digit;
use tandem_media::learn::{RtcpSource, RtpSource};
use tandem_media::params::MediaParams;
use tandem_media::play::{Formats, Speaker, Voice};
use tandem_media::session::Route;

use super::command::Source;
use super::event::MediaEventKind;
use super::leg::{Agreed, Cold};
use super::shard::Shard;

impl Shard {
    /// Takes what signalling agreed on. What was learned stays, unless the far end moved.
    pub(super) fn agreed(&mut self, slot: u32, params: MediaParams) {
        let Some(cold) = self.cold[slot as usize].as_mut() else { return };
        self.hot[slot as usize].session.set_params(&params, self.at);
        let before = cold.agreed.take();
        let is_first = before.is_none();
        let kept = before.filter(|before| {
            before.params.rtp == params.rtp && before.params.behind_nat == params.behind_nat
        });
        let has_moved = kept.is_none();
        let nat = params.behind_nat;
        let (rtp_source, rtcp_source) = match kept {
            Some(kept) if kept.params.rtcp == params.rtcp => (kept.rtp_source, kept.rtcp_source),
            Some(kept) => (kept.rtp_source, RtcpSource::new(params.rtcp, nat)),
            None => (RtpSource::new(params.rtp, nat), RtcpSource::new(params.rtcp, nat)),
        };
        let formats = Formats::of(&params);
        cold.agreed = Some(Agreed { params, rtp_source, rtcp_source });
        match &mut cold.speaker {
            Some(speaker) if speaker.stream().clock_hz() == formats.clock_hz() => {
                speaker.set_formats(formats);
            }
            Some(speaker) => {
                cold.voice = cold.voice.take().or(speaker.take_voice());
                cold.speaker = None; // Another clock is another stream.
            }
            None => {}
        }
        if has_moved {
            self.connect(slot);
        }
        if is_first {
            self.watch_rtcp(slot);
        }
        self.refresh(slot);
        if let Some(heard) = self.cold[slot as usize].as_ref().and_then(|cold| cold.hears) {
            self.refresh(heard);
        }
        self.speak(slot);
    }

    /// Replaces what the far end of a leg hears.
    pub(super) fn hears(&mut self, slot: u32, source: Source) {
        self.hear_nothing(slot);
        let voice = match source {
            Source::Nothing => None,
            Source::Leg(other) => {
                if let Some(&heard) = self.by_leg.get(&other.leg) {
                    self.listen(slot, heard);
                }
                None
            }
            Source::Prompt { name, is_looped } => match self.prompts.get(&name) {
                Some(prompt) => Some(Voice::prompt(prompt.clone(), is_looped)),
                None => {
                    self.counts.unplayable += 1;
                    let Some(cold) = &self.cold[slot as usize] else { return };
                    let ended = MediaEventKind::PlaybackEnded { prompt: name, played_ms: 0 };
                    self.tell(cold.leg, ended);
                    None
                }
            },
            Source::Tone { hz, level_db } => Some(Voice::tone(hz, level_db)),
            Source::Silence => Some(Voice::Silence),
        };
        if let Some(cold) = self.cold[slot as usize].as_mut() {
            cold.voice = voice;
        }
        self.speak(slot);
    }

    /// Ends what the far end of a leg hears.
    pub(super) fn hear_nothing(&mut self, slot: u32) {
        let Some(cold) = self.cold[slot as usize].as_mut() else { return };
        cold.voice = None;
        if let Some(speaker) = &mut cold.speaker {
            speaker.set_voice(None);
        }
        if let Some(heard) = cold.hears.take() {
            if let Some(other) = self.cold[heard as usize].as_mut() {
                other.listeners.retain(|&(listener, _)| listener != slot);
            }
            self.refresh(heard);
        }
    }

    /// Those that hear a leg hear nothing any more.
    pub(super) fn leave_listeners(&mut self, slot: u32) {
        let Some(cold) = self.cold[slot as usize].as_mut() else { return };
        for (listener, _) in std::mem::take(&mut cold.listeners) {
            if let Some(other) = self.cold[listener as usize].as_mut() {
                other.hears = None;
            }
        }
        self.refresh(slot);
    }

    /// Presses keys towards the far end of a leg.
    pub(super) fn send_keys(&mut self, slot: u32, digits: &[Digit], press: Duration) {
        self.speak(slot);
        let unsent = match self.speaker(slot) {
            Some(speaker) => speaker.handle_keys(digits, press),
            None => digits.len(),
        };
        self.counts.keys_unsent += unsent as u64;
        self.speak(slot);
    }

    /// Tells a key that came by signalling, and passes it on to those who hear the leg; unless it comes by packets too.
    pub(super) fn pass_key(&mut self, slot: u32, digit: Digit) {
        let now = self.clock.instant(self.at);
        let Some(cold) = self.cold[slot as usize].as_mut() else { return };
        if !cold.keys.handle_signalled(digit, now) || !self.tell_key(slot, digit) {
            return;
        }
        let Some(cold) = &self.cold[slot as usize] else { return };
        let listeners: Vec<u32> = cold.listeners.iter().map(|&(listener, _)| listener).collect();
        for listener in listeners {
            let Some(cold) = &self.cold[listener as usize] else { continue };
            match &cold.agreed {
                Some(agreed) if agreed.params.events.is_empty() => {
                    self.tell(cold.leg, MediaEventKind::KeyUntaken { key: digit.as_char() });
                }
                _ => self.send_keys(listener, &[digit], PASSED_PRESS),
            }
        }
    }

    pub(super) fn record(&mut self, slot: u32, path: PathBuf, max: Duration) {
        let Some(cold) = self.cold[slot as usize].as_mut() else { return };
        cold.tap = Some(self.writer.start(cold.leg, path, max, self.at));
        cold.has_recorded = true;
        if let Some(agreed) = &cold.agreed
            && !agreed.params.codecs.iter().any(|codec| Law::of(codec).is_some())
        {
            let names: Vec<_> = agreed.params.codecs.iter().map(|c| c.name.as_str()).collect();
            let error = format!("only G.711 can be recorded, the leg speaks {}", names.join(", "));
            self.writer.stop(cold.leg, self.at, Some(error), None);
        }
        self.refresh(slot);
    }

    pub(super) fn stop_recording(&mut self, slot: u32) {
        let Some(cold) = self.cold[slot as usize].as_mut() else { return };
        if cold.tap.take().is_some() {
            self.writer.stop(cold.leg, self.at, None, None);
        }
        self.refresh(slot);
    }

    /// Brings the mouth of a leg in line with what it shall say, and with whether it may.
    pub(super) fn speak(&mut self, slot: u32) {
        let is_agreed = |cold: &&mut Box<Cold>| cold.agreed.is_some();
        let voice =
            self.cold[slot as usize].as_mut().filter(is_agreed).and_then(|c| c.voice.take());
        if let (true, Some(speaker)) = (voice.is_some(), self.speaker(slot)) {
            let is_unplayable = !speaker.can_play();
            speaker.set_voice(voice);
            self.counts.unplayable += u64::from(is_unplayable);
        }
        let Some(cold) = self.cold[slot as usize].as_mut() else { return };
        let is_idle = cold.speaker.as_ref().is_none_or(Speaker::is_idle);
        if is_idle {
            self.stop_ticking(slot);
        } else if cold.tick.is_none() {
            cold.tick = Some(self.wheel.insert(slot));
        }
        self.allow_relay(slot);
    }

    /// Whether a leg takes what others say: it has an address, and no key of ours is on its way.
    pub(super) fn allow_relay(&mut self, slot: u32) {
        let Some(cold) = self.cold[slot as usize].as_ref() else { return };
        self.hot[slot as usize].takes_relay = cold.destination().is_some() && !cold.is_pressing();
    }

    /// The mouth of a leg, made when it is needed first. `None` before the agreement.
    fn speaker(&mut self, slot: u32) -> Option<&mut Speaker> {
        let random = self.random();
        let cold = self.cold[slot as usize].as_mut()?;
        let formats = Formats::of(&cold.agreed.as_ref()?.params);
        Some(cold.speaker.get_or_insert_with(|| Speaker::new(formats, random, self.at)))
    }

    fn listen(&mut self, slot: u32, heard: u32) {
        let Some(other) = self.cold[heard as usize].as_mut() else { return };
        if other.listeners.len() >= MAX_LISTENERS {
            self.counts.listeners_refused += 1;
            return;
        }
        other.listeners.push((slot, Route::NONE));
        if let Some(cold) = self.cold[slot as usize].as_mut() {
            cold.hears = Some(heard);
        }
        self.refresh(heard);
    }

    /// Works out again where the packets of a leg go and under which numbers.
    fn refresh(&mut self, heard: u32) {
        let Some(cold) = &self.cold[heard as usize] else { return };
        let params = |slot: u32| Some(&self.cold[slot as usize].as_ref()?.agreed.as_ref()?.params);
        let route = |listener| match (params(heard), params(listener)) {
            (Some(from), Some(to)) => Route::between(from, to),
            _ => Route::NONE,
        };
        let listeners: Vec<(u32, Route)> =
            cold.listeners.iter().map(|&(listener, _)| (listener, route(listener))).collect();
        let hot = &mut self.hot[heard as usize];
        hot.session.set_listener(listeners.first().copied());
        hot.is_tapped = cold.tap.is_some() || listeners.len() > 1;
        if let Some(cold) = self.cold[heard as usize].as_mut() {
            cold.listeners = listeners;
        }
    }
}

/// How long a key is pressed that came without a length: well above the 40 ms of ITU-T Q.24.
const PASSED_PRESS: Duration = Duration::from_millis(160);

/// Legs that can hear one other.
const MAX_LISTENERS: usize = 32;
