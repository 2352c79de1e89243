//! ITU-T G.711: one byte a sample, 8 kHz, in two laws.

use crate::params::CodecParams;

/// One of the two companding laws.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Law {
    /// A-law, "PCMA".
    A,
    /// µ-law, "PCMU".
    Mu,
}

impl Law {
    /// The law of a payload format; `None` if it is not G.711.
    pub fn of(codec: &CodecParams) -> Option<Self> {
        if (codec.clock_rate, codec.channels) != (8000, 1) {
            return None;
        }
        match codec.name.as_str() {
            name if name.eq_ignore_ascii_case("PCMA") => Some(Self::A),
            name if name.eq_ignore_ascii_case("PCMU") => Some(Self::Mu),
            _ => None,
        }
    }

    /// A linear sample of one code, full scale ±32,767.
    pub fn decode(self, code: u8) -> i16 {
        match self {
            Self::A => A_DECODED[usize::from(code)],
            Self::Mu => MU_DECODED[usize::from(code)],
        }
    }

    /// The code whose decision interval the sample lies in.
    pub fn encode(self, sample: i16) -> u8 {
        match self {
            Self::A => a_encode(sample),
            Self::Mu => mu_encode(sample),
        }
    }

    /// The code of digital silence.
    pub fn silence(self) -> u8 {
        self.encode(0)
    }
}

/// 13 bits of the sample count (G.711 Table 1); even bits are inverted on the line (§3.3, note 2).
fn a_encode(sample: i16) -> u8 {
    let sign = if sample < 0 { 0 } else { 0x80 };
    // One's complement: the negative half mirrors the positive one.
    let magnitude = (if sample < 0 { !sample } else { sample } >> 3) as u16;
    let exponent = (u16::BITS - (magnitude >> 5).leading_zeros()).min(7) as u16;
    let mantissa = if exponent == 0 { magnitude >> 1 } else { magnitude >> exponent } & 0x0f;
    (sign | (exponent << 4) as u8 | mantissa as u8) ^ 0x55
}

/// 14 bits of the sample count (G.711 Table 2); all bits are inverted on the line.
fn mu_encode(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = (i32::from(if sample < 0 { !sample } else { sample }) >> 2) as u16;
    let biased = (magnitude + MU_BIAS).min(0x1fff);
    let exponent = (u16::BITS - 1 - biased.leading_zeros()) as u16 - 5;
    let mantissa = (biased >> (exponent + 1)) & 0x0f;
    !(sign | (exponent << 4) as u8 | mantissa as u8)
}

const fn a_decode(code: u8) -> i16 {
    let code = code ^ 0x55;
    let (exponent, mantissa) = ((code >> 4) & 7, (code & 0x0f) as i16);
    let magnitude = match exponent {
        0 => (mantissa << 4) + 8,
        _ => ((mantissa << 4) + 0x108) << (exponent - 1),
    };
    if code & 0x80 != 0 { magnitude } else { -magnitude }
}

const fn mu_decode(code: u8) -> i16 {
    let code = !code;
    let (exponent, mantissa) = ((code >> 4) & 7, (code & 0x0f) as i16);
    let magnitude = (((mantissa << 3) + 0x84) << exponent) - 0x84;
    if code & 0x80 != 0 { -magnitude } else { magnitude }
}

const A_DECODED: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = a_decode(code as u8);
        code += 1;
    }
    table
};

const MU_DECODED: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = mu_decode(code as u8);
        code += 1;
    }
    table
};

/// Moves the segment ends of µ-law to powers of two, in 14-bit units.
const MU_BIAS: u16 = 33;

#[cfg(test)]
mod tests {
    use super::*;

    /// Positive decision values and output values as G.711 Tables 1a and 2a build them: in each segment 16 equal
    /// steps, twice as large as in the one below (A-law: the lowest two segments share a step). In 16-bit units.
    fn intervals(law: Law) -> Vec<(i32, i32, i32)> {
        let (mut list, mut low) = (Vec::new(), 0);
        for segment in 0..8 {
            let step = match law {
                Law::A => 16 << (segment - 1).max(0),
                Law::Mu => 8 << segment,
            };
            for index in 0..16 {
                // The first interval of µ-law is half as wide: its output is 0.
                let width =
                    if law == Law::Mu && segment == 0 && index == 0 { step / 2 } else { step };
                let output = if width == step { low + step / 2 } else { 0 };
                list.push((low, low + width, output));
                low += width;
            }
        }
        list
    }

    #[test]
    fn every_sample_is_coded_to_its_interval_and_every_code_to_its_value() {
        for law in [Law::A, Law::Mu] {
            let intervals = intervals(law);
            assert_eq!(intervals.len(), 128);
            for sample in i16::MIN..=i16::MAX {
                let magnitude = i32::from(if sample < 0 { !sample } else { sample });
                let &(_, _, output) = intervals
                    .iter()
                    .find(|&&(low, high, _)| (low..high).contains(&magnitude))
                    .unwrap_or(&intervals[127]);
                let code = law.encode(sample);
                let expected = if sample < 0 { -output } else { output };
                assert_eq!(i32::from(law.decode(code)), expected, "{law:?} {sample}");
            }
        }
    }

    #[test]
    fn codes_of_the_standard_stand() {
        // G.711 Tables 1a, 1b, 2a, 2b: the largest, the smallest and zero.
        assert_eq!(
            [Law::A.encode(32_767), Law::A.encode(0), Law::A.encode(-1)],
            [0xaa, 0xd5, 0x55]
        );
        assert_eq!(
            [Law::Mu.encode(32_767), Law::Mu.encode(0), Law::Mu.encode(-32_768)],
            [0x80, 0xff, 0x00]
        );
        assert_eq!([Law::A.decode(0xaa), Law::A.decode(0xd5)], [32_256, 8]);
        assert_eq!([Law::Mu.decode(0x80), Law::Mu.decode(0xff)], [32_124, 0]);
    }

    #[test]
    fn every_code_but_the_negative_zero_survives_a_round_trip() {
        for law in [Law::A, Law::Mu] {
            for code in 0..=255 {
                let again = law.encode(law.decode(code));
                assert!(again == code || (law, code) == (Law::Mu, 0x7f), "{law:?} {code:#x}");
            }
        }
    }

    #[test]
    fn only_narrow_band_mono_is_g711() {
        let codec = |name: &str, clock_rate, channels| CodecParams {
            name: name.into(),
            clock_rate,
            channels,
            send_type: 8,
            receive_type: 8,
            variant: String::new(),
        };
        assert_eq!(Law::of(&codec("pcma", 8000, 1)), Some(Law::A));
        assert_eq!(Law::of(&codec("PCMU", 8000, 1)), Some(Law::Mu));
        assert_eq!(Law::of(&codec("PCMU", 16_000, 1)), None);
        assert_eq!(Law::of(&codec("G722", 8000, 1)), None);
    }
}
