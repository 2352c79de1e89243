//! Codecs as SDP names them (RFC 3551 §6, RFC 7587, RFC 4733).

/// A codec under one payload type of one description.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Codec {
    /// RTP payload type, 0..=127.
    pub payload_type: u8,
    /// Encoding name as written: "PCMA".
    pub name: String,
    /// RTP clock in Hz.
    pub clock_rate: u32,
    /// Channels, 1 where not written.
    pub channels: u8,
    /// Format parameters, "" where there are none.
    pub fmtp: String,
}

impl Codec {
    /// A codec without format parameters.
    pub fn new(payload_type: u8, name: &str, clock_rate: u32, channels: u8) -> Self {
        Self { payload_type, name: name.to_owned(), clock_rate, channels, fmtp: String::new() }
    }

    /// Whether both are the same encoding, whatever their payload types.
    pub fn is_same(&self, other: &Self) -> bool {
        self.name.eq_ignore_ascii_case(&other.name)
            && self.clock_rate == other.clock_rate
            && self.channels == other.channels
    }

    /// Whether it carries keys and not sound (RFC 4733).
    pub fn is_events(&self) -> bool {
        self.name.eq_ignore_ascii_case("telephone-event")
    }

    /// Whether it is comfort noise, which is nothing to speak alone (RFC 3389).
    pub fn is_comfort_noise(&self) -> bool {
        self.name.eq_ignore_ascii_case("CN")
    }

    /// Whether we can play and record it: G.711.
    pub fn is_playable(&self) -> bool {
        self.clock_rate == PLAYABLE_HZ
            && self.channels == 1
            && (self.name.eq_ignore_ascii_case("PCMA") || self.name.eq_ignore_ascii_case("PCMU"))
    }

    /// The codec of a static payload type that needs no rtpmap (RFC 3551 §6).
    pub(super) fn of_static(payload_type: u8) -> Option<Self> {
        let (name, rate) = match payload_type {
            0 => ("PCMU", 8000),
            3 => ("GSM", 8000),
            4 => ("G723", 8000),
            8 => ("PCMA", 8000),
            9 => ("G722", 8000),
            13 => ("CN", 8000),
            15 => ("G728", 8000),
            18 => ("G729", 8000),
            _ => return None,
        };
        Some(Self::new(payload_type, name, rate, 1))
    }
}

/// What we offer of our own, the preferred first. `only_playable` leaves out what we can only relay.
pub fn own_codecs(only_playable: bool) -> Vec<Codec> {
    let codec = |&(payload_type, name, clock_rate, channels, fmtp): &(u8, &str, u32, u8, &str)| {
        Codec { fmtp: fmtp.to_owned(), ..Codec::new(payload_type, name, clock_rate, channels) }
    };
    let is_fit =
        |codec: &Codec| codec.is_playable() || codec.is_events() && codec.clock_rate == PLAYABLE_HZ;
    OWN_CODECS.iter().map(codec).filter(|codec| !only_playable || is_fit(codec)).collect()
}

/// The clock of what we can play and record.
const PLAYABLE_HZ: u32 = 8000;

/// (payload type, name, clock, channels, fmtp). Opus and G.722 are there to be relayed.
const OWN_CODECS: [(u8, &str, u32, u8, &str); 6] = [
    (96, "opus", 48000, 2, "useinbandfec=1"),
    (9, "G722", 8000, 1, ""),
    (8, "PCMA", 8000, 1, ""),
    (0, "PCMU", 8000, 1, ""),
    (101, "telephone-event", 8000, 1, "0-15"),
    (102, "telephone-event", 48000, 1, "0-15"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_must_hear_offers_g711_and_its_keys_only() {
        let names = |only_playable| -> Vec<(String, u32)> {
            own_codecs(only_playable)
                .into_iter()
                .map(|codec| (codec.name, codec.clock_rate))
                .collect()
        };
        let playable = [("PCMA", 8000), ("PCMU", 8000), ("telephone-event", 8000)];
        assert_eq!(names(true), playable.map(|(name, rate)| (name.to_owned(), rate)));
        assert_eq!(names(false).len(), OWN_CODECS.len());
    }
}
