//! Joins SIP legs to their media, and tells the end of a leg when both are over.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use tandem_media::params::{CodecParams, MAX_TYPES, MediaParams};
use tandem_media::quality::MediaReport;
use tandem_sip::endpoint::{LegEnd, LegId};
use tandem_sip::offer_answer::{Agreed, AgreedCodec, MAX_AGREED};

use crate::command::Source;
use crate::event::{LegEnded, What};
use crate::media::{self, MediaLeg, MediaShards, PortPool};

/// All legs that live, and the media that they have.
#[derive(Debug)]
pub(super) struct Joints {
    legs: HashMap<u64, Joint>,
    pool: PortPool,
    pub(super) media: MediaShards,
}

#[derive(Debug, Default)]
struct Joint {
    /// `None` where there was no port for it; with the bound address.
    media: Option<(MediaLeg, SocketAddr)>,
    answered_at: Option<Instant>,
    /// The leg that it hears before that has answered.
    early: Option<LegId>,
    /// The SIP side is over; what is still missing is the report of the media.
    ended: Option<(Instant, LegEnd)>,
}

impl Joints {
    pub(super) fn new(pool: PortPool, media: MediaShards) -> Self {
        Self { legs: HashMap::new(), pool, media }
    }

    /// Opens the media of a new leg, in the shard of `beside` if that has any. The bound address.
    pub(super) fn open(&mut self, leg: LegId, beside: Option<LegId>) -> io::Result<SocketAddr> {
        let lease = self.pool.lease()?;
        let local = lease.local();
        let beside = beside.and_then(|other| self.legs.get(&other.0)?.media);
        let shard = beside.map_or_else(|| self.media.least_loaded(), |(other, _)| other.shard);
        let opened = self.media.open(leg.0, shard, lease);
        self.legs.entry(leg.0).or_default().media = Some((opened, local));
        Ok(local)
    }

    /// Where a leg that lives receives its RTP.
    pub(super) fn bound(&self, leg: LegId) -> Option<SocketAddr> {
        let joint = self.legs.get(&leg.0).filter(|joint| joint.ended.is_none())?;
        joint.media.map(|(_, bound)| bound)
    }

    pub(super) fn agreed(&self, leg: LegId, agreed: &Agreed, source: IpAddr) {
        if let Some(media) = self.media_of(leg) {
            self.media.agreed(media, params(agreed, source));
        }
    }

    pub(super) fn answered(&mut self, leg: LegId, at: Instant) {
        if let Some(joint) = self.legs.get_mut(&leg.0) {
            joint.answered_at.get_or_insert(at);
        }
    }

    pub(super) fn is_answered(&self, leg: LegId) -> bool {
        self.legs.get(&leg.0).is_some_and(|joint| joint.answered_at.is_some())
    }

    /// `listener` hears a leg that has not answered yet. The other way goes silence, which opens NATs and shows carriers
    /// where we are: a call that costs nothing yet is nobody's to talk in. Keys go, because some who do not answer ask
    /// for them.
    pub(super) fn hears_early(&mut self, listener: LegId, leg: LegId) {
        self.hears(listener, Source::Leg(leg));
        self.hears(leg, Source::Silence);
        if let Some(joint) = self.legs.get_mut(&listener.0) {
            joint.early = Some(leg);
        }
    }

    /// A key of one who hears a leg before that has answered.
    pub(super) fn press_early(&self, listener: u64, key: char) {
        let early = self.legs.get(&listener).and_then(|joint| joint.early);
        if let Some(leg) = early.filter(|leg| !self.is_answered(*leg)) {
            self.send_keys(leg, key.to_string(), PASSED_PRESS);
        }
    }

    pub(super) fn hears(&self, leg: LegId, source: Source) {
        let Some(media) = self.media_of(leg) else { return };
        let source = match source {
            Source::Nothing => media::Source::Nothing,
            Source::Leg(other) => {
                self.media_of(other).map_or(media::Source::Nothing, media::Source::Leg)
            }
            Source::Prompt { name, repeated } => {
                media::Source::Prompt { name, is_looped: repeated }
            }
            Source::Tone { hz, level_db } => media::Source::Tone { hz, level_db },
            Source::Silence => media::Source::Silence,
        };
        // Legs of one call share a shard; two of different calls are joined by nobody.
        let _ = self.media.hears(media, source);
    }

    pub(super) fn send_keys(&self, leg: LegId, keys: String, press: Duration) {
        if let Some(media) = self.media_of(leg) {
            self.media.send_keys(media, &keys, press);
        }
    }

    pub(super) fn pass_key(&self, leg: LegId, key: char) {
        if let Some(media) = self.media_of(leg) {
            self.media.pass_key(media, key);
        }
    }

    pub(super) fn record(&self, leg: LegId, path: String, max: Duration) {
        if let Some(media) = self.media_of(leg) {
            self.media.record(media, path.into(), max);
        }
    }

    pub(super) fn stop_recording(&self, leg: LegId) {
        if let Some(media) = self.media_of(leg) {
            self.media.stop_recording(media);
        }
    }

    /// The SIP side of a leg is over. Its last event, unless its media have to report first.
    pub(super) fn ended(
        &mut self,
        leg: LegId,
        at: Instant,
        end: LegEnd,
    ) -> Option<(Instant, What)> {
        let joint = self.legs.entry(leg.0).or_default();
        joint.ended = Some((at, end));
        match joint.media {
            Some((media, _)) => {
                self.media.close(media);
                None
            }
            None => self.last(leg.0, None),
        }
    }

    /// The media of a leg have reported. Its last event, if the SIP side is over too.
    pub(super) fn closed(&mut self, leg: u64, report: MediaReport) -> Option<(Instant, What)> {
        self.legs.get(&leg)?.ended.as_ref()?;
        self.last(leg, Some(report))
    }

    fn last(&mut self, leg: u64, media: Option<MediaReport>) -> Option<(Instant, What)> {
        let joint = self.legs.remove(&leg)?;
        let (at, LegEnd { status, by, reason, moved_to }) = joint.ended?;
        let answered_at_ns = joint.answered_at.map(crate::clock::ns);
        let end =
            LegEnded { leg, status, by: by.as_str(), reason, moved_to, answered_at_ns, media };
        Some((at, What::LegEnded(Box::new(end))))
    }

    /// Whether the packets of both are moved by one thread, as those of legs that hear each other must be.
    pub(super) fn share_a_thread(&self, leg: LegId, other: LegId) -> bool {
        let shard = |leg| self.media_of(leg).map(|media| media.shard);
        shard(leg) == shard(other)
    }

    fn media_of(&self, leg: LegId) -> Option<MediaLeg> {
        let joint = self.legs.get(&leg.0).filter(|joint| joint.ended.is_none())?;
        joint.media.map(|(media, _)| media)
    }

    /// Legs whose SIP side is not over.
    pub(super) fn alive(&self) -> Vec<LegId> {
        let alive = self.legs.iter().filter(|(_, joint)| joint.ended.is_none());
        let mut alive: Vec<u64> = alive.map(|(leg, _)| *leg).collect();
        alive.sort_unstable();
        alive.into_iter().map(LegId).collect()
    }

    /// The last events of legs whose media will not report any more.
    pub(super) fn abandon(&mut self) -> Vec<(Instant, What)> {
        let mut left: Vec<u64> = self.legs.keys().copied().collect();
        left.sort_unstable();
        left.into_iter().filter_map(|leg| self.last(leg, None)).collect()
    }

    /// Whether this number has been given to a leg that lives.
    pub(super) fn is_known(&self, leg: LegId) -> bool {
        self.legs.contains_key(&leg.0)
    }

    pub(super) fn len(&self) -> usize {
        self.legs.len()
    }

    pub(super) fn ports_leased(&self) -> usize {
        self.pool.leased()
    }
}

/// How long such a key is pressed: well above the 40 ms of ITU-T Q.24.
const PASSED_PRESS: Duration = Duration::from_millis(160);

/// What signalling agrees on, media can carry.
const _: () = assert!(MAX_AGREED <= MAX_TYPES);

/// What was agreed, in the words of the media side.
fn params(agreed: &Agreed, source: IpAddr) -> MediaParams {
    let codecs = |list: &[AgreedCodec]| {
        let codec = |agreed: &AgreedCodec| CodecParams {
            name: agreed.codec.name.clone(),
            clock_rate: agreed.codec.clock_rate,
            channels: agreed.codec.channels,
            send_type: agreed.codec.payload_type,
            receive_type: agreed.receive_type,
            variant: agreed.codec.variant(),
        };
        list.iter().map(codec).collect()
    };
    let (sending, receiving) = agreed.direction.flags();
    MediaParams {
        rtp: agreed.rtp,
        rtcp: agreed.rtcp,
        behind_nat: (source.to_canonical() != agreed.rtp.ip().to_canonical()).then_some(source),
        codecs: codecs(&agreed.codecs),
        events: codecs(&agreed.events),
        sending,
        receiving,
    }
}
