//! The hot state of one leg.

use std::time::Duration;

use super::{Format, Route, Types};
use crate::params::MediaParams;
use crate::quality::{Arrival, Reception};
use crate::rtp::{RtpPacket, relabel};

/// One leg as its packets see it. At most `MAX_HOT_LEN` bytes.
#[derive(Clone, Debug)]
pub struct Session {
    /// How the far end's stream arrives.
    pub reception: Reception,
    types: Types,
    route: Route,
    listener: u32,
    /// Whether what goes to `listener` next begins a new source there.
    marks_next: bool,
    /// Second since the origin in which something came last, and how many packets did.
    heard_at_s: u32,
    heard_in_second: u16,
    /// Packets sent to the far end.
    pub sent: u32,
    /// Packets that were dropped: strangers, malformed, unknown.
    pub discarded: u32,
}

/// A packet that belongs to the session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Heard<'a> {
    /// The packet.
    pub packet: RtpPacket<'a>,
    /// What it carries.
    pub format: Format,
}

/// Why a packet was dropped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Discard {
    /// Not RTP.
    Malformed,
    /// A payload type that was not agreed.
    UnknownType,
    /// A sequence number far from the stream's.
    Implausible,
    /// More packets in a second than any phone sends: a flood, or two legs that send to each other in a circle.
    TooMany,
}

impl Session {
    /// A leg that knows nothing yet.
    pub fn new() -> Self {
        Self {
            reception: Reception::default(),
            types: Types::NONE,
            route: Route::NONE,
            listener: NOBODY,
            marks_next: false,
            heard_at_s: 0,
            heard_in_second: 0,
            sent: 0,
            discarded: 0,
        }
    }

    /// Takes what was agreed. Its silence counts from `at`.
    pub fn set_params(&mut self, params: &MediaParams, at: Duration) {
        self.types = Types::new(params);
        self.touch(at);
    }

    /// Sends on to the leg in slot `listener` from now on, or to nobody.
    pub fn set_listener(&mut self, listener: Option<(u32, Route)>) {
        let (slot, route) = listener.unwrap_or((NOBODY, Route::NONE));
        self.marks_next |= slot != self.listener && slot != NOBODY;
        (self.listener, self.route) = (slot, route);
    }

    /// Reads a datagram without counting it: for legs whose source is not known yet.
    pub fn peek<'a>(&self, datagram: &'a [u8]) -> Result<Heard<'a>, Discard> {
        let packet = RtpPacket::parse(datagram).map_err(|_| Discard::Malformed)?;
        let format = self.types.find(packet.payload_type).ok_or(Discard::UnknownType)?;
        Ok(Heard { packet, format })
    }

    /// Takes a datagram from the known source.
    #[inline]
    pub fn handle_rtp<'a>(
        &mut self,
        datagram: &'a [u8],
        at: Duration,
    ) -> Result<Heard<'a>, Discard> {
        let heard = self.peek(datagram)?;
        if self.heard_at_s == at.as_secs() as u32 && self.heard_in_second >= MAX_PACKETS_PER_S {
            return Err(Discard::TooMany);
        }
        let clock_hz = (!heard.format.is_events()).then(|| heard.format.clock_hz());
        if self.reception.handle_packet(&heard.packet, clock_hz, at) == Arrival::Implausible {
            return Err(Discard::Implausible);
        }
        self.touch(at);
        Ok(heard)
    }

    /// Makes a datagram that was heard ready to go on, in place. `None` if nobody hears it, or not this format.
    #[inline]
    pub fn forward(&mut self, datagram: &mut [u8], format: Format) -> Option<u32> {
        let number = self.route.number(format)?;
        let marks = self.marks_next && !format.is_events();
        relabel(datagram, number, marks);
        self.marks_next &= !marks;
        Some(self.listener)
    }

    /// Whether somebody hears what the far end says.
    pub fn has_listener(&self) -> bool {
        self.listener != NOBODY
    }

    /// Something came from the far end.
    #[inline]
    pub fn touch(&mut self, at: Duration) {
        let second = at.as_secs() as u32;
        if self.heard_at_s != second {
            (self.heard_at_s, self.heard_in_second) = (second, 0);
        }
        self.heard_in_second = self.heard_in_second.saturating_add(1);
    }

    /// Since when nothing came, in whole seconds.
    pub fn silent_for(&self, at: Duration) -> Duration {
        Duration::from_secs(at.as_secs().saturating_sub(self.heard_at_s.into()))
    }
}

impl Default for Session {
    fn default() -> Self {
        Self::new()
    }
}

const NOBODY: u32 = u32::MAX;

/// Five times what packets of 5 ms need.
const MAX_PACKETS_PER_S: u16 = 1000;

/// Two cache lines, with the socket of the leg.
const MAX_HOT_LEN: usize = 120;

const _: () = assert!(size_of::<Session>() <= MAX_HOT_LEN);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::CodecParams;
    use crate::rtp::{RtpTime, SeqNo};

    fn codec(name: &str, clock_rate: u32, receive_type: u8, send_type: u8) -> CodecParams {
        CodecParams {
            name: name.into(),
            clock_rate,
            channels: 1,
            send_type,
            receive_type,
            variant: String::new(),
        }
    }

    fn params(codecs: Vec<CodecParams>, events: Vec<CodecParams>) -> MediaParams {
        let address = "192.0.2.1:4000".parse().unwrap();
        let (behind_nat, sending, receiving) = (None, true, true);
        MediaParams { rtp: address, rtcp: address, behind_nat, codecs, events, sending, receiving }
    }

    fn datagram(payload_type: u8, sequence: u16) -> Vec<u8> {
        let packet = RtpPacket {
            marker: false,
            payload_type,
            sequence: SeqNo(sequence),
            timestamp: RtpTime(160),
            ssrc: 1,
            payload: &[1, 2, 3, 4],
        };
        let mut out = vec![0; 16];
        packet.write_to(&mut out).unwrap();
        out
    }

    fn pair() -> (Session, MediaParams, MediaParams) {
        let opus_and_keys = |opus, keys| {
            params(
                vec![codec("opus", 48_000, opus, opus)],
                vec![codec("telephone-event", 48_000, keys, keys)],
            )
        };
        let (caller, callee) = (opus_and_keys(96, 101), opus_and_keys(111, 102));
        let mut session = Session::new();
        session.set_params(&caller, Duration::ZERO);
        session.set_listener(Some((7, Route::between(&caller, &callee))));
        (session, caller, callee)
    }

    #[test]
    fn numbers_are_mapped_and_nothing_else_changes() {
        let (mut session, ..) = pair();
        for (sequence, (from, to)) in [(96, 111), (101, 102), (96, 111)].into_iter().enumerate() {
            let mut bytes = datagram(from, sequence as u16);
            let before = bytes.clone();
            let format = session.handle_rtp(&bytes, Duration::ZERO).unwrap().format;
            assert_eq!(session.forward(&mut bytes, format), Some(7));
            // The first sound of a new source carries the marker.
            let marker = if sequence == 0 { 0x80 } else { 0 };
            assert_eq!(bytes[1], to | marker);
            bytes[1] = before[1];
            assert_eq!(bytes, before);
        }
    }

    #[test]
    fn what_was_not_agreed_is_dropped() {
        let (mut session, ..) = pair();
        assert_eq!(session.handle_rtp(&datagram(0, 1), Duration::ZERO), Err(Discard::UnknownType));
        assert_eq!(session.handle_rtp(&[0; 30], Duration::ZERO), Err(Discard::Malformed));
        assert!(session.handle_rtp(&datagram(96, 1), Duration::ZERO).is_ok());
        let far = datagram(96, 9000);
        assert_eq!(session.handle_rtp(&far, Duration::ZERO), Err(Discard::Implausible));
        assert_eq!(session.reception.totals().received, 1);
    }

    #[test]
    fn a_format_that_the_listener_does_not_speak_does_not_go_on() {
        let (mut session, caller, _) = pair();
        let other = params(
            vec![codec("opus", 48_000, 96, 96)],
            vec![codec("telephone-event", 8000, 101, 101)],
        );
        session.set_listener(Some((3, Route::between(&caller, &other))));
        let mut keys = datagram(101, 1);
        let format = session.handle_rtp(&keys, Duration::ZERO).unwrap().format;
        assert!(format.is_events());
        assert_eq!(session.forward(&mut keys, format), None);
        session.set_listener(None);
        let mut sound = datagram(96, 2);
        let format = session.handle_rtp(&sound, Duration::ZERO).unwrap().format;
        assert_eq!(session.forward(&mut sound, format), None);
    }

    #[test]
    fn variants_of_one_encoding_go_on_as_what_they_are() {
        let mode = |mode: &str, ours, theirs| CodecParams {
            variant: mode.to_owned(),
            ..codec("iLBC", 8000, ours, theirs)
        };
        let caller = params(vec![mode("20", 97, 97), mode("30", 98, 98)], vec![]);
        let numbers = |codecs| {
            let callee = params(codecs, vec![]);
            let mut session = Session::new();
            session.set_params(&caller, Duration::ZERO);
            session.set_listener(Some((3, Route::between(&caller, &callee))));
            [97, 98].map(|number| {
                let mut sound = datagram(number, 1);
                let format = session.peek(&sound).unwrap().format;
                session.forward(&mut sound, format).map(|_| sound[1] & 0x7f)
            })
        };
        assert_eq!(numbers(vec![mode("30", 98, 111)]), [None, Some(111)]);
        assert_eq!(
            numbers(vec![mode("30", 101, 111), mode("20", 102, 112)]),
            [Some(112), Some(111)]
        );
        assert_eq!(numbers(vec![mode("30", 97, 111), mode("20", 98, 112)]), [Some(112), Some(111)]);
        // It kept the number and wants the other mode: so it said in its answer, which the caller has seen.
        assert_eq!(numbers(vec![mode("30", 97, 97)]), [Some(97), Some(97)]);
    }

    #[test]
    fn formats_beyond_the_limit_are_left_out() {
        let many = (0..20).map(|n| codec("L16", 8000, 96 + n, 96 + n)).collect();
        let keys = codec("telephone-event", 8000, 126, 126);
        let mut session = Session::new();
        session.set_params(&params(many, vec![keys]), Duration::ZERO);
        assert!(session.peek(&datagram(110, 1)).is_ok());
        assert_eq!(session.peek(&datagram(111, 1)), Err(Discard::UnknownType));
        assert!(session.peek(&datagram(126, 1)).unwrap().format.is_events());
    }

    #[test]
    fn a_flood_is_cut_off_until_the_next_second() {
        let (mut session, ..) = pair();
        let at = Duration::from_secs(7);
        let mut take = |at| session.handle_rtp(&datagram(96, 1), at).err();
        let taken = (0..5000).filter(|_| take(at).is_none()).count();
        assert_eq!(taken, usize::from(MAX_PACKETS_PER_S));
        assert_eq!(take(at), Some(Discard::TooMany));
        assert_eq!(take(at + Duration::from_secs(1)), None);
    }

    #[test]
    fn silence_counts_from_the_last_packet() {
        let (mut session, ..) = pair();
        let at = Duration::from_secs(50);
        assert_eq!(session.silent_for(at), at);
        session.handle_rtp(&datagram(96, 1), at).unwrap();
        assert_eq!(session.silent_for(at + Duration::from_secs(3)), Duration::from_secs(3));
    }
}
