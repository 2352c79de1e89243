//! Says to one far end, tick by tick, what it shall hear from us: keys first, else the voice.

use std::sync::Arc;
use std::time::Duration;

use super::voice::FRAME_SAMPLES;
use super::{OutStream, Prompt, Voice};
use crate::codec::Law;
use crate::dtmf::{Digit, KeySender};
use crate::params::MediaParams;

/// The mouth of one leg.
#[derive(Debug)]
pub struct Speaker {
    stream: OutStream,
    formats: Formats,
    voice: Option<Voice>,
    keys: KeySender,
}

/// Payload types for what we say ourselves.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Formats {
    /// G.711, if it was agreed.
    pub sound: Option<(Law, u8)>,
    /// Telephone events, if they were: payload type and clock.
    pub events: Option<(u8, u32)>,
}

/// What came of one tick.
#[derive(Debug, Default)]
pub struct Spoken {
    /// Length of the packet that was written.
    pub packet_len: Option<usize>,
    /// A prompt that is over, with how much of it was played in ms.
    pub ended: Option<(Arc<Prompt>, u64)>,
}

impl Formats {
    /// What the parameters allow. Events run at the clock of the sound, where there is a choice.
    pub fn of(params: &MediaParams) -> Self {
        let sound = params.codecs.iter().find_map(|codec| Some((Law::of(codec)?, codec.send_type)));
        let clock_hz =
            sound.map(|_| SOUND_HZ).or(params.codecs.first().map(|codec| codec.clock_rate));
        let events = params
            .events
            .iter()
            .find(|events| Some(events.clock_rate) == clock_hz)
            .or(params.events.first());
        Self { sound, events: events.map(|events| (events.send_type, events.clock_rate)) }
    }

    /// The clock of a stream that carries them.
    pub fn clock_hz(&self) -> u32 {
        match (self.sound, self.events) {
            (None, Some((_, clock_hz))) => clock_hz,
            _ => SOUND_HZ,
        }
    }
}

impl Speaker {
    /// A silent mouth. `random` decides the numbers of its stream.
    pub fn new(formats: Formats, random: u64, at: Duration) -> Self {
        let clock_hz = formats.clock_hz();
        let stream = OutStream::new(random, clock_hz, at);
        Self { stream, formats, voice: None, keys: KeySender::new(clock_hz) }
    }

    /// Speaks by other numbers from now on. Keys that wait stay.
    pub fn set_formats(&mut self, formats: Formats) {
        self.formats = formats;
    }

    /// Says this from now on, or nothing.
    pub fn set_voice(&mut self, voice: Option<Voice>) {
        self.voice = voice;
    }

    /// Whether a voice would be heard: the far end speaks G.711.
    pub fn can_play(&self) -> bool {
        self.formats.sound.is_some()
    }

    /// What it is saying, to be said by another.
    pub fn take_voice(&mut self) -> Option<Voice> {
        self.voice.take()
    }

    /// Presses keys. Returns how many cannot be sent: no events agreed, or no room.
    pub fn handle_keys(&mut self, digits: &[Digit], press: Duration) -> usize {
        match self.formats.events {
            Some((_, clock_hz)) if clock_hz == self.stream.clock_hz() => {
                self.keys.handle_keys(digits, press)
            }
            _ => digits.len(),
        }
    }

    /// Whether it presses keys: what others say to the far end gives way.
    pub fn is_pressing(&self) -> bool {
        self.keys.is_busy()
    }

    /// Whether it needs no ticks.
    pub fn is_idle(&self) -> bool {
        self.voice.is_none() && !self.keys.is_busy()
    }

    /// The stream, for reports about it.
    pub fn stream(&self) -> &OutStream {
        &self.stream
    }

    /// Writes the packet of the tick `at` into `out`. Ticks are `TICK` apart; one that is left out is a pause.
    pub fn handle_tick(&mut self, at: Duration, out: &mut [u8]) -> Spoken {
        let timestamp = self.stream.timestamp(at);
        if self.keys.is_busy() {
            let packet = self.keys.handle_tick(timestamp).zip(self.formats.events);
            let packet_len = packet.and_then(|(key, (payload_type, _))| {
                self.stream.write_event(payload_type, key.marker, key.timestamp, &key.payload, out)
            });
            return Spoken { packet_len, ended: None };
        }
        let Some(voice) = &mut self.voice else { return Spoken::default() };
        let mut frame = [0; FRAME_SAMPLES];
        if let Some((law, payload_type)) = self.formats.sound
            && voice.fill(law, &mut frame)
        {
            let ticks = FRAME_SAMPLES as u32;
            let packet_len = self.stream.write_sound(payload_type, timestamp, ticks, &frame, out);
            return Spoken { packet_len, ended: None };
        }
        let ended = voice.progress().map(|(prompt, played_ms)| (Arc::clone(prompt), played_ms));
        self.voice = None;
        Spoken { packet_len: None, ended }
    }
}

const SOUND_HZ: u32 = 8000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtmf::KeyReceiver;
    use crate::params::CodecParams;
    use crate::play::TICK;
    use crate::rtp::RtpPacket;

    fn codec(name: &str, clock_rate: u32, number: u8) -> CodecParams {
        let (channels, send_type, receive_type) = (1, number, number);
        CodecParams {
            name: name.into(),
            clock_rate,
            channels,
            send_type,
            receive_type,
            variant: String::new(),
        }
    }

    fn params(codecs: &[(&str, u32, u8)], events: &[(u32, u8)]) -> MediaParams {
        let address = "192.0.2.1:4000".parse().unwrap();
        MediaParams {
            rtp: address,
            rtcp: address,
            behind_nat: None,
            codecs: codecs.iter().map(|&(name, rate, number)| codec(name, rate, number)).collect(),
            events: events
                .iter()
                .map(|&(rate, number)| codec("telephone-event", rate, number))
                .collect(),
            sending: true,
            receiving: true,
        }
    }

    #[test]
    fn events_keep_the_clock_of_the_sound() {
        let both = Formats::of(&params(
            &[("opus", 48_000, 96), ("PCMA", 8000, 8)],
            &[(48_000, 102), (8000, 101)],
        ));
        assert_eq!(both, Formats { sound: Some((Law::A, 8)), events: Some((101, 8000)) });
        let opus = Formats::of(&params(&[("opus", 48_000, 96)], &[(8000, 101), (48_000, 102)]));
        assert_eq!((opus.events, opus.clock_hz()), (Some((102, 48_000)), 48_000));
    }

    #[test]
    fn timestamps_follow_the_ticks_and_a_missed_tick_is_a_pause() {
        let formats = Formats::of(&params(&[("PCMU", 8000, 0)], &[]));
        let mut speaker = Speaker::new(formats, 0x1234_5678_fffe_0000, Duration::from_secs(9));
        speaker.set_voice(Some(Voice::Silence));
        let mut out = [0; 200];
        let mut seen = Vec::new();
        for tick in [0u32, 1, 2, 5, 6] {
            let spoken = speaker.handle_tick(Duration::from_secs(9) + TICK * tick, &mut out);
            let packet = RtpPacket::parse(&out[..spoken.packet_len.unwrap()]).unwrap();
            assert_eq!((packet.payload, packet.ssrc), (&[0xff; 160][..], 0x1234_5678));
            seen.push((packet.sequence, packet.timestamp, packet.marker));
        }
        let (sequence, start) = (seen[0].0, seen[0].1);
        for (n, (tick, marker)) in
            [(0, true), (1, false), (2, false), (5, true), (6, false)].into_iter().enumerate()
        {
            assert_eq!(seen[n].0.distance_from(sequence), n as i16);
            assert_eq!((seen[n].1, seen[n].2), (start.plus(tick * 160), marker));
        }
    }

    #[test]
    fn keys_interrupt_a_prompt_which_then_goes_on_to_its_end() {
        let formats = Formats::of(&params(&[("PCMA", 8000, 8)], &[(8000, 101)]));
        let mut speaker = Speaker::new(formats, 1, Duration::ZERO);
        let prompt = Arc::new(Prompt::new("hello", &[1000; 1600]));
        speaker.set_voice(Some(Voice::prompt(prompt, false)));
        let (mut out, mut sound, mut ended) = ([0; 200], 0, None);
        let (mut receiver, origin) = (KeyReceiver::default(), origin());
        let mut typed = String::new();
        for tick in 0..100u32 {
            if tick == 3 {
                let digits = [Digit::from_char('4').unwrap(), Digit::from_char('2').unwrap()];
                assert_eq!(speaker.handle_keys(&digits, Duration::from_millis(100)), 0);
            }
            let spoken = speaker.handle_tick(TICK * tick, &mut out);
            if let Some(len) = spoken.packet_len {
                let packet = RtpPacket::parse(&out[..len]).unwrap();
                match packet.payload_type {
                    8 => sound += 1,
                    _ => receiver.handle_packet(&packet, origin + TICK * tick).unwrap(),
                }
            }
            typed.extend(std::iter::from_fn(|| receiver.poll_press()).map(|p| p.digit.as_char()));
            ended = ended.or(spoken.ended.map(|(prompt, ms)| (prompt.name().to_owned(), ms)));
        }
        assert_eq!((sound, typed.as_str(), speaker.is_idle()), (10, "42", true));
        assert_eq!(ended, Some(("hello".to_owned(), 200)));
    }

    #[test]
    fn what_cannot_be_said_is_told() {
        let formats = Formats::of(&params(&[("G722", 8000, 9)], &[]));
        let mut speaker = Speaker::new(formats, 1, Duration::ZERO);
        assert_eq!(speaker.handle_keys(&[Digit::from_char('1').unwrap()], TICK), 1);
        speaker.set_voice(Some(Voice::prompt(Arc::new(Prompt::new("p", &[0; 800])), false)));
        let spoken = speaker.handle_tick(Duration::ZERO, &mut [0; 200]);
        assert_eq!(spoken.ended.map(|(_, played_ms)| played_ms), Some(0));
    }

    #[expect(clippy::disallowed_methods, reason = "any origin will do: the test only adds to it")]
    fn origin() -> std::time::Instant {
        std::time::Instant::now()
    }
}
