//! A leg that gets anything at all: nothing panics, nothing grows, and no stranger is learned from nonsense.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tandem_media::codec::Law;
use tandem_media::dtmf::KeyReceiver;
use tandem_media::learn::{Lesson, RtpSource};
use tandem_media::params::{CodecParams, MediaParams};
use tandem_media::quality::{MediaReport, RoundTrip};
use tandem_media::record::Timeline;
use tandem_media::rtcp::{Compound, Reporter};
use tandem_media::session::{Route, Session};

const SOUND: u8 = 8;
const KEYS: u8 = 101;

/// A packet with a plausible beginning and any end, or any bytes.
fn datagram() -> impl Strategy<Value = Vec<u8>> {
    let header = (
        prop::sample::select(vec![0x80u8, 0x90, 0xa0, 0x81, 0xbf, 0x40]),
        prop::sample::select(vec![SOUND, KEYS, SOUND | 0x80, KEYS | 0x80, 0, 200, 201, 203]),
        prop::collection::vec(any::<u8>(), 0..200),
    );
    let plausible = header.prop_map(|(first, second, rest)| [vec![first, second], rest].concat());
    prop_oneof![4 => plausible, 1 => prop::collection::vec(any::<u8>(), 0..64)]
}

fn params() -> MediaParams {
    let codec = |name: &str, number| CodecParams {
        name: name.into(),
        clock_rate: 8000,
        channels: 1,
        send_type: number,
        receive_type: number,
        variant: String::new(),
    };
    let address = "10.0.0.5:4000".parse().expect("an address");
    MediaParams {
        rtp: address,
        rtcp: address,
        behind_nat: Some([203, 0, 113, 9].into()),
        codecs: vec![codec("PCMA", SOUND)],
        events: vec![codec("telephone-event", KEYS)],
        sending: true,
        receiving: true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn a_leg_survives_whatever_arrives(
        arrivals in prop::collection::vec((datagram(), 0u64..500, 0u8..3), 0..60),
    ) {
        let (params, epoch) = (params(), epoch());
        let mut session = Session::new();
        session.set_params(&params, Duration::ZERO);
        session.set_listener(Some((1, Route::between(&params, &params))));
        let mut source = RtpSource::new(params.rtp, params.behind_nat);
        let (mut keys, mut timeline) = (KeyReceiver::default(), Timeline::new(Duration::ZERO));
        let (mut reporter, mut round_trip) = (Reporter::default(), RoundTrip::default());
        let (mut at, mut recorded, mut presses) = (Duration::ZERO, 0u64, 0);
        for (mut bytes, pause_ms, who) in arrivals {
            at += Duration::from_millis(pause_ms);
            let from = SocketAddr::from(([203, 0, 113, who + 8], 5000));
            if let Ok(heard) = session.peek(&bytes) {
                let lesson = source.handle_packet(from, &heard.packet);
                prop_assert!(lesson == Lesson::Stranger || from.ip().to_string() == "203.0.113.9");
            }
            if let Ok(reports) = Compound::parse(&bytes) {
                reports.blocks().for_each(|block| round_trip.handle_block(block.last_report, block.delay, at));
                if let Some(ntp) = reports.sent_ntp {
                    reporter.handle_sender_report(ntp, at);
                    round_trip.handle_sent(ntp, at);
                }
            }
            let Ok(heard) = session.handle_rtp(&bytes, at) else { continue };
            let format = heard.format;
            if format.is_events() {
                let _ = keys.handle_packet(&heard.packet, epoch + at);
            } else {
                let samples = heard.packet.payload.iter().map(|&code| Law::A.decode(code));
                let stream = (heard.packet.ssrc, heard.packet.timestamp);
                timeline.handle_packet(stream, at, samples, |samples| recorded += samples.len() as u64);
            }
            prop_assert_eq!(session.forward(&mut bytes, format), Some(1));
            keys.handle_timeout(epoch + at);
            presses += std::iter::from_fn(|| keys.poll_press()).count();
            let _ = reporter.block(&session.reception, at);
        }
        prop_assert!(presses <= 60);
        timeline.finish(at, |samples| recorded += samples.len() as u64);
        prop_assert!(recorded <= at.as_millis() as u64 * 8 + 3 * 8000);
        let report = MediaReport::new("PCMA", &session.reception, &round_trip);
        prop_assert!(report.mos.is_none_or(|mos| (1.0..=4.5).contains(&mos)));
        prop_assert!((0.0..=100.0).contains(&report.loss_percent));
    }
}

#[expect(clippy::disallowed_methods, reason = "any origin will do: the test only adds to it")]
fn epoch() -> Instant {
    Instant::now()
}
