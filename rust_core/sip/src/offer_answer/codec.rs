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

    /// How surely this codec is `other`, which is known under `number`: the least is the surest, `None` is another one.
    ///
    /// RFC 3264 §6.1 lets an answer give other numbers; one that keeps the number may give other parameters.
    pub(crate) fn likeness(&self, other: &Self, number: u8) -> Option<u8> {
        let is_encoding = self.name.eq_ignore_ascii_case(&other.name)
            && self.clock_rate == other.clock_rate
            && self.channels == other.channels;
        if !is_encoding {
            return None;
        }
        match (self.variant() == other.variant(), self.payload_type == number) {
            (true, true) => Some(0),
            (true, false) => Some(1),
            (false, true) => Some(2),
            (false, false) => None,
        }
    }

    /// Those format parameters that make another payload of the same encoding, in one spelling. Empty for most
    /// encodings, whose parameters only say what their writer likes to receive.
    pub fn variant(&self) -> String {
        let defining: &[(&str, &str)] = match self.name.to_ascii_uppercase().as_str() {
            "ILBC" => &[("mode", "30")],
            "AMR" | "AMR-WB" => AMR_FRAMING,
            "G7221" => &[("bitrate", "")],
            _ => return String::new(),
        };
        let value = |&(name, default): &(&str, &str)| {
            format!("{name}={};", self.parameter(name).unwrap_or(default))
        };
        defining.iter().map(value).collect()
    }

    /// What we say of a codec that we play and hear ourselves; `None` if we cannot.
    pub(crate) fn own_fmtp(&self) -> Option<String> {
        if self.is_events() {
            return Some(ALL_KEYS.to_owned());
        }
        self.is_playable().then(String::new)
    }

    /// The value of a format parameter.
    fn parameter(&self, name: &str) -> Option<&str> {
        self.fmtp.split(';').find_map(|part| {
            let (key, value) = part.split_once('=')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Whether it carries keys and not sound (RFC 4733).
    pub fn is_events(&self) -> bool {
        self.name.eq_ignore_ascii_case("telephone-event")
    }

    /// Whether it is comfort noise, which is nothing to speak alone (RFC 3389).
    pub fn is_comfort_noise(&self) -> bool {
        self.name.eq_ignore_ascii_case("CN")
    }

    /// Whether it carries what somebody says.
    pub fn is_sound(&self) -> bool {
        !self.is_events() && !self.is_comfort_noise()
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

/// Of these codecs those that are named, in the order of the names; all where none is. Names compare without regard to
/// case. Keys go with the sound of their clock (RFC 4733 §2.1).
pub fn permitted(codecs: Vec<Codec>, names: &[String]) -> Vec<Codec> {
    if names.is_empty() {
        return codecs;
    }
    let place =
        |codec: &Codec| names.iter().position(|name| name.eq_ignore_ascii_case(&codec.name));
    let mut found: Vec<_> =
        codecs.into_iter().filter_map(|codec| Some((place(&codec)?, codec))).collect();
    found.sort_by_key(|(place, _)| *place);
    let mut found: Vec<_> = found.into_iter().map(|(_, codec)| codec).collect();
    let clocks: Vec<_> =
        found.iter().filter(|codec| codec.is_sound()).map(|codec| codec.clock_rate).collect();
    found.retain(|codec| codec.is_sound() || clocks.contains(&codec.clock_rate));
    found
}

/// The clock of what we can play and record.
const PLAYABLE_HZ: u32 = 8000;

/// RFC 4867 §8.3.1: what both sides must say alike.
const AMR_FRAMING: &[(&str, &str)] =
    &[("octet-align", "0"), ("crc", "0"), ("robust-sorting", "0"), ("interleaving", "")];

/// RFC 4733 §2.4.1: the sixteen keys.
const ALL_KEYS: &str = "0-15";

/// (payload type, name, clock, channels, fmtp). Opus and G.722 are there to be relayed.
const OWN_CODECS: [(u8, &str, u32, u8, &str); 6] = [
    (96, "opus", 48000, 2, "useinbandfec=1"),
    (9, "G722", 8000, 1, ""),
    (8, "PCMA", 8000, 1, ""),
    (0, "PCMU", 8000, 1, ""),
    (101, "telephone-event", 8000, 1, ALL_KEYS),
    (102, "telephone-event", 48000, 1, ALL_KEYS),
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

    #[test]
    fn of_codecs_those_are_left_that_are_named_and_in_that_order() {
        let left = |names: &[&str]| -> Vec<(String, u32)> {
            let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
            let left = permitted(own_codecs(false), &names);
            left.into_iter().map(|codec| (codec.name, codec.clock_rate)).collect()
        };
        let named = |codecs: &[(&str, u32)]| -> Vec<(String, u32)> {
            codecs.iter().map(|&(name, rate)| (name.to_owned(), rate)).collect()
        };
        assert_eq!(left(&[]).len(), OWN_CODECS.len());
        assert_eq!(left(&["pcmu", "PCMA"]), named(&[("PCMU", 8000), ("PCMA", 8000)]));
        let keys = ("telephone-event", 8000);
        assert_eq!(left(&["telephone-event", "PCMA"]), named(&[keys, ("PCMA", 8000)]));
        assert_eq!(left(&["G729", "telephone-event"]), []);
    }
}
