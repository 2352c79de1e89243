//! A leg in its shard: what every packet touches, and the rest.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use tandem_media::codec::Law;
use tandem_media::dtmf::KeyReceiver;
use tandem_media::learn::{RtcpSource, RtpSource};
use tandem_media::params::MediaParams;
use tandem_media::play::{Speaker, Voice};
use tandem_media::quality::{MediaReport, RoundTrip};
use tandem_media::rtcp::Reporter;
use tandem_media::session::{Route, Session};

use super::pace::Pace;
use super::pool::Ports;
use super::writer::Tap;

/// Touched by every packet: two cache lines. A free slot has no socket.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Hot {
    pub(super) session: Session,
    pub(super) socket: Option<UdpSocket>,
    /// Only the known source gets through the socket: `recv` and `send` do.
    pub(super) is_connected: bool,
    /// Whether the far end may be sent what another leg says.
    pub(super) takes_relay: bool,
    /// Whether more is to be done with a packet than to send it to one listener.
    pub(super) is_tapped: bool,
}

const _: () = assert!(size_of::<Hot>() == 128);

/// Everything else.
#[derive(Debug)]
pub(super) struct Cold {
    pub(super) leg: u64,
    pub(super) rtcp: UdpSocket,
    /// Behind the sockets, so that it is dropped after them.
    _ports: Ports,
    pub(super) agreed: Option<Agreed>,
    /// The leg that this one hears.
    pub(super) hears: Option<u32>,
    /// Those that hear this one; the first is also in the session.
    pub(super) listeners: Vec<(u32, Route)>,
    pub(super) keys: KeyReceiver,
    pub(super) pace: Pace,
    pub(super) voice: Option<Voice>,
    pub(super) speaker: Option<Speaker>,
    /// The row of the wheel that it ticks in.
    pub(super) tick: Option<usize>,
    /// When we last reported about what we play.
    pub(super) reported_at: Option<Duration>,
    pub(super) tap: Option<Tap>,
    pub(super) has_recorded: bool,
    pub(super) reporter: Reporter,
    pub(super) round_trip: RoundTrip,
    pub(super) silence_told: bool,
}

/// What signalling said, and what was learned since.
#[derive(Debug)]
pub(super) struct Agreed {
    pub(super) params: MediaParams,
    pub(super) rtp_source: RtpSource,
    pub(super) rtcp_source: RtcpSource,
}

impl Cold {
    pub(super) fn new(leg: u64, rtcp: UdpSocket, ports: Ports) -> Self {
        Self {
            leg,
            rtcp,
            _ports: ports,
            agreed: None,
            hears: None,
            listeners: Vec::new(),
            keys: KeyReceiver::default(),
            pace: Pace::default(),
            voice: None,
            speaker: None,
            tick: None,
            reported_at: None,
            tap: None,
            has_recorded: false,
            reporter: Reporter::default(),
            round_trip: RoundTrip::default(),
            silence_told: false,
        }
    }

    /// Where RTP goes to, while signalling lets us send.
    pub(super) fn destination(&self) -> Option<SocketAddr> {
        let agreed = self.agreed.as_ref().filter(|agreed| agreed.params.sending)?;
        agreed.rtp_source.destination()
    }

    /// Whether our own keys are on their way to the far end.
    pub(super) fn is_pressing(&self) -> bool {
        self.speaker.as_ref().is_some_and(Speaker::is_pressing)
    }

    /// The law of a payload type that the far end sends with, if it is G.711.
    pub(super) fn law_of(&self, payload_type: u8) -> Option<Law> {
        let codecs = &self.agreed.as_ref()?.params.codecs;
        Law::of(codecs.iter().find(|codec| codec.receive_type == payload_type)?)
    }

    pub(super) fn report(&self, session: &Session) -> MediaReport {
        let codec = self.agreed.as_ref().and_then(|agreed| agreed.params.codecs.first());
        let codec = codec.map_or("", |codec| codec.name.as_str());
        MediaReport {
            packets_sent: session.sent.into(),
            packets_discarded: session.discarded.into(),
            ..MediaReport::new(codec, &session.reception, &self.round_trip)
        }
    }
}
