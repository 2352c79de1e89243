//! Learns the source of RTP.
//!
//! ```text
//! not behind NAT ──────────────────────────────► Frozen(signalled)
//! behind NAT ──► Open ── signalled one comes ──► Frozen(signalled)
//!                  └── 3 coherent packets ─────► Frozen(their source)
//! ```
//!
//! Strays from behind the same NAT prove nothing, and keep nobody from being learned.

use std::net::{IpAddr, SocketAddr};

use super::usable;
use crate::rtp::{RtpPacket, RtpTime, SeqNo};

/// The source of one leg's RTP, between two changes of signalling.
#[derive(Clone, Debug)]
pub struct RtpSource {
    signalled: SocketAddr,
    behind_nat: Option<IpAddr>,
    state: State,
}

/// What a packet taught.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lesson {
    /// It comes from the known source.
    Known,
    /// Its source is known from now on: connect the socket to it.
    Learned,
    /// It comes from somebody else. Drop it.
    Stranger,
}

#[derive(Clone, Debug)]
enum State {
    /// Those behind the NAT that may turn out to be it, and how many packets they have sent.
    Open {
        candidates: [Option<Candidate>; MAX_CANDIDATES],
        seen: u32,
    },
    Frozen(SocketAddr),
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    source: SocketAddr,
    ssrc: u32,
    sequence: SeqNo,
    timestamp: RtpTime,
    coherent: u8,
    /// Which of all packets from behind the NAT was its last.
    seen: u32,
}

impl RtpSource {
    /// `behind_nat` is the address where the signalling of a far end behind NAT comes from.
    pub fn new(signalled: SocketAddr, behind_nat: Option<IpAddr>) -> Self {
        let state = match (behind_nat, usable(signalled)) {
            (None, Some(address)) => State::Frozen(address),
            _ => State::Open { candidates: [None; MAX_CANDIDATES], seen: 0 },
        };
        Self { signalled, behind_nat, state }
    }

    /// Takes a packet whose payload type is one that was agreed.
    pub fn handle_packet(&mut self, source: SocketAddr, packet: &RtpPacket<'_>) -> Lesson {
        match &mut self.state {
            State::Frozen(known) if *known == source => return Lesson::Known,
            State::Frozen(_) => return Lesson::Stranger,
            State::Open { .. } if source == self.signalled => {}
            State::Open { candidates, seen } if self.behind_nat == Some(source.ip()) => {
                *seen = seen.saturating_add(1);
                let place = place_of(candidates, source);
                let next = Candidate::after(place.as_ref(), source, packet, *seen);
                if next.coherent < COHERENT_PACKETS {
                    *place = Some(next);
                    return Lesson::Stranger;
                }
            }
            State::Open { .. } => return Lesson::Stranger,
        }
        self.state = State::Frozen(source);
        Lesson::Learned
    }

    /// The source, once it is known.
    pub fn known(&self) -> Option<SocketAddr> {
        match self.state {
            State::Frozen(source) => Some(source),
            _ => None,
        }
    }

    /// Where to send: the known source, or else the signalled one. `None` if that is no address.
    pub fn destination(&self) -> Option<SocketAddr> {
        self.known().or_else(|| usable(self.signalled))
    }
}

impl Candidate {
    /// The candidate with this packet: the one before if it goes on coherently, or a new one.
    fn after(before: Option<&Self>, source: SocketAddr, packet: &RtpPacket<'_>, seen: u32) -> Self {
        let (ssrc, sequence, timestamp) = (packet.ssrc, packet.sequence, packet.timestamp);
        let goes_on = before.filter(|candidate| {
            candidate.source == source
                && candidate.ssrc == ssrc
                && (1..=MAX_STEP).contains(&sequence.distance_from(candidate.sequence))
                && (0..MAX_STEP_TICKS).contains(&timestamp.ticks_since(candidate.timestamp))
        });
        let coherent = goes_on.map_or(1, |candidate| candidate.coherent + 1);
        Self { source, ssrc, sequence, timestamp, coherent, seen }
    }
}

/// The place of a source: its own, a free one, or that of whoever has proved least and been silent longest.
fn place_of(
    candidates: &mut [Option<Candidate>; MAX_CANDIDATES],
    source: SocketAddr,
) -> &mut Option<Candidate> {
    let rank = |place: &Option<Candidate>| match place {
        Some(candidate) if candidate.source == source => (0, 0, 0),
        None => (1, 0, 0),
        Some(candidate) => (2, candidate.coherent, candidate.seen),
    };
    let ranked = candidates.iter().enumerate().min_by_key(|(_, place)| rank(place));
    let index = ranked.map_or(0, |(index, _)| index);
    &mut candidates[index]
}

/// Packets of one stream from one source that make it plausible.
const COHERENT_PACKETS: u8 = 3;

/// Sources behind one NAT that are watched at once.
const MAX_CANDIDATES: usize = 4;

/// From one packet to the next of a coherent stream, with loss.
const MAX_STEP: i16 = 3;

/// One second at 48 kHz: a stream may pause between words.
const MAX_STEP_TICKS: i32 = 48_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIGNALLED: &str = "10.0.0.5:4000";
    const NAT: [u8; 4] = [203, 0, 113, 9];

    fn packet(ssrc: u32, sequence: u16) -> RtpPacket<'static> {
        RtpPacket {
            marker: false,
            payload_type: 0,
            sequence: SeqNo(sequence),
            timestamp: RtpTime(u32::from(sequence) * 160),
            ssrc,
            payload: &[],
        }
    }

    fn behind_nat() -> RtpSource {
        RtpSource::new(SIGNALLED.parse().unwrap(), Some(NAT.into()))
    }

    fn at_nat(port: u16) -> SocketAddr {
        (NAT, port).into()
    }

    #[test]
    fn without_nat_only_the_signalled_source_exists() {
        let signalled = SIGNALLED.parse().unwrap();
        let mut source = RtpSource::new(signalled, None);
        for sequence in 0..100 {
            let stranger = "10.0.0.5:4002".parse().unwrap();
            assert_eq!(source.handle_packet(stranger, &packet(1, sequence)), Lesson::Stranger);
        }
        assert_eq!(source.handle_packet(signalled, &packet(1, 0)), Lesson::Known);
    }

    #[test]
    fn behind_nat_three_coherent_packets_teach_and_freeze() {
        let mut source = behind_nat();
        let lessons = [7, 8, 10].map(|s| source.handle_packet(at_nat(9), &packet(1, s)));
        assert_eq!(lessons, [Lesson::Stranger, Lesson::Stranger, Lesson::Learned]);
        assert_eq!(source.destination(), Some(at_nat(9)));
        let signalled = SIGNALLED.parse().unwrap();
        assert_eq!(source.handle_packet(signalled, &packet(1, 11)), Lesson::Stranger);
    }

    #[test]
    fn the_signalled_source_teaches_at_once_whatever_came_before() {
        let mut source = behind_nat();
        for _ in 0..20 {
            assert_eq!(source.handle_packet(at_nat(9), &packet(1, 3)), Lesson::Stranger);
        }
        let signalled = SIGNALLED.parse().unwrap();
        assert_eq!(source.destination(), Some(signalled));
        assert_eq!(source.handle_packet(signalled, &packet(1, 1)), Lesson::Learned);
    }

    #[test]
    fn strays_keep_nobody_from_being_learned() {
        let mut source = behind_nat();
        // Twenty that make no stream, and then one from ever another port between each two of the real one.
        for stray in 0..20 {
            source.handle_packet(at_nat(100 + stray), &packet(stray.into(), 7 * stray));
        }
        let mut lessons = Vec::new();
        for sequence in 50..53 {
            source.handle_packet(at_nat(200 + sequence), &packet(9, 1000 * sequence));
            source.handle_packet(at_nat(300), &packet(u32::from(sequence), 5));
            lessons.push(source.handle_packet(at_nat(9), &packet(1, sequence)));
        }
        assert_eq!(lessons, [Lesson::Stranger, Lesson::Stranger, Lesson::Learned]);
        assert_eq!(source.known(), Some(at_nat(9)));
    }

    #[test]
    fn an_address_on_hold_is_not_sent_to() {
        for nobody in ["0.0.0.0:4000", "[::]:4000", "10.0.0.5:0"] {
            let hold = RtpSource::new(nobody.parse().unwrap(), None);
            assert_eq!((hold.known(), hold.destination()), (None, None));
        }
    }

    #[test]
    fn what_reaches_more_than_one_host_is_not_sent_to() {
        for many in ["224.0.1.75:4000", "[ff02::1]:4000", "255.255.255.255:4000"] {
            let source = RtpSource::new(many.parse().unwrap(), None);
            assert_eq!((source.known(), source.destination()), (None, None), "{many}");
        }
    }

    proptest! {
        /// Whatever arrives, we send only to the signalled address or to a source behind the NAT that proved itself;
        /// and what is known never changes.
        #[test]
        fn nothing_is_sent_to_whom_we_do_not_know(
            arrivals in prop::collection::vec((0u8..6, 0u32..2, 0u16..6), 0..40),
        ) {
            let signalled: SocketAddr = SIGNALLED.parse().unwrap();
            let mut source = behind_nat();
            let mut from_nat: Vec<(SocketAddr, u32, u16)> = Vec::new();
            let mut frozen = None;
            for (who, ssrc, sequence) in arrivals {
                let from = match who {
                    0 => signalled,
                    1 | 2 => at_nat(1000 + u16::from(who)),
                    other => ([198, 51, 100, other], 4000).into(),
                };
                let lesson = source.handle_packet(from, &packet(ssrc, sequence));
                if from.ip() == IpAddr::from(NAT) {
                    from_nat.push((from, ssrc, sequence));
                }
                if let Some(known) = frozen {
                    prop_assert_eq!(source.known(), Some(known));
                    prop_assert_eq!(lesson == Lesson::Known, from == known);
                    continue;
                }
                frozen = source.known();
                prop_assert_eq!(lesson == Lesson::Learned, frozen.is_some());
                prop_assert_eq!(source.destination(), Some(frozen.unwrap_or(signalled)));
                if let Some(known) = frozen.filter(|&known| known != signalled) {
                    let its = from_nat.iter().rev().filter(|seen| seen.0 == known);
                    let last: Vec<_> = its.take(3).collect();
                    prop_assert!(last.len() == 3 && last.iter().all(|seen| seen.1 == ssrc));
                    prop_assert!(last[0].2 > last[1].2 && last[1].2 > last[2].2);
                }
            }
        }
    }
}
