//! Payload types: what a leg may send to us, and under which numbers that goes on to another leg.

use crate::params::{CodecParams, MAX_TYPES, MediaParams};

/// The payload types that one far end sends with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Types {
    numbers: [u8; MAX_TYPES],
    kinds: [u8; MAX_TYPES],
}

/// One of the formats of a leg: an index into its types.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Format {
    index: u8,
    kind: u8,
}

/// From the formats of one leg to the payload types of another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Route {
    numbers: [u8; MAX_TYPES],
}

impl Types {
    /// No type is known.
    pub const NONE: Self = Self { numbers: [UNUSED; MAX_TYPES], kinds: [0; MAX_TYPES] };

    /// What `params` says that the far end may send.
    pub fn new(params: &MediaParams) -> Self {
        let mut types = Self::NONE;
        for (index, (codec, is_events)) in formats(params).enumerate() {
            let clock_khz = (codec.clock_rate / 1000).clamp(1, CLOCK_BITS.into()) as u8;
            types.numbers[index] = codec.receive_type & 0x7f;
            types.kinds[index] = clock_khz | if is_events { EVENTS_BIT } else { 0 };
        }
        types
    }

    /// The format with this payload type.
    #[inline]
    pub fn find(&self, payload_type: u8) -> Option<Format> {
        let index = self.numbers.iter().position(|&number| number == payload_type)?;
        Some(Format { index: index as u8, kind: self.kinds[index] })
    }
}

impl Format {
    /// Whether it carries telephone events.
    #[inline]
    pub fn is_events(self) -> bool {
        self.kind & EVENTS_BIT != 0
    }

    /// RTP clock, in whole kHz.
    #[inline]
    pub fn clock_hz(self) -> u32 {
        u32::from(self.kind & CLOCK_BITS) * 1000
    }
}

impl Route {
    /// Nothing goes on.
    pub const NONE: Self = Self { numbers: [UNUSED; MAX_TYPES] };

    /// What `from` sends and `to` understands.
    pub fn between(from: &MediaParams, to: &MediaParams) -> Self {
        let mut route = Self::NONE;
        for (number, (ours, is_events)) in route.numbers.iter_mut().zip(formats(from)) {
            let list = if is_events { &to.events } else { &to.codecs };
            let likely = list.iter().filter_map(|to| Some((ours.likeness(to)?, to)));
            if let Some((_, theirs)) = likely.min_by_key(|(rank, _)| *rank) {
                *number = theirs.send_type & 0x7f;
            }
        }
        route
    }

    /// The payload type under which a format goes on; `None` if the other side does not understand it.
    #[inline]
    pub fn number(&self, format: Format) -> Option<u8> {
        let number = self.numbers[usize::from(format.index)];
        (number != UNUSED).then_some(number)
    }
}

/// Sound, then events, as far as there is room; sound does not crowd out the keys.
fn formats(params: &MediaParams) -> impl Iterator<Item = (&CodecParams, bool)> {
    let for_events = params.events.len().min(MAX_TYPES / 2);
    let sound = params.codecs.iter().take(MAX_TYPES - for_events).map(|codec| (codec, false));
    sound.chain(params.events.iter().take(for_events).map(|codec| (codec, true)))
}

/// No payload type: they have seven bits.
const UNUSED: u8 = 0xff;

const EVENTS_BIT: u8 = 0x80;
const CLOCK_BITS: u8 = 0x7f;
