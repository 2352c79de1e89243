//! Makes new inputs out of old ones.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};

/// A seeded source of changes.
#[derive(Debug)]
pub(crate) struct Mutator(ChaCha8Rng);

impl Mutator {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number below `end`, 0 if there is none.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.0.next_u32()).unwrap_or(0) % end.max(1)
    }

    /// One of `kept`, changed in one to eight places.
    pub(crate) fn mutate(&mut self, kept: &[Vec<u8>]) -> Vec<u8> {
        let mut input = self.one_of(kept);
        for _ in 0..1 + self.below(8) {
            self.change(&mut input, kept);
        }
        input.truncate(MAX_INPUT);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, kept: &[Vec<u8>]) {
        let at = self.below(input.len() + 1);
        let end = (at + 1 + self.below(24)).min(input.len());
        match self.below(8) {
            0 if at < input.len() => input[at] ^= 1 << self.below(8),
            1 if at < input.len() => input[at] = EDGES[self.below(EDGES.len())],
            2 if at < end => drop(input.drain(at..end)),
            3 if at < end => {
                let times = if self.below(16) == 0 { 300 } else { 1 + self.below(4) };
                let piece = input[at..end].repeat(times);
                input.splice(at..at, piece);
            }
            4 => input.truncate(at),
            5 => {
                let other = self.one_of(kept);
                let from = self.below(other.len() + 1);
                input.splice(at.., other[from..].iter().copied());
            }
            6 if at < end => {
                // What stands in one place often means something in another.
                let piece = input[at..end].to_vec();
                let to = self.below(input.len() + 1);
                input.splice(to..to, piece);
            }
            _ => {
                let piece = PIECES[self.below(PIECES.len())];
                let replaced = at..if self.below(2) == 0 { at } else { end.max(at) };
                input.splice(replaced, piece.iter().copied());
            }
        }
    }

    fn one_of(&mut self, kept: &[Vec<u8>]) -> Vec<u8> {
        kept.get(self.below(kept.len())).cloned().unwrap_or_default()
    }
}

const EDGES: [u8; 12] = [0, 1, 9, 10, 13, 32, 34, 44, 59, 127, 128, 255];

/// What parsers look for, and numbers beyond what they can hold.
const PIECES: [&[u8]; 48] = [
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\r\n ",
    b"\"",
    b"\\",
    b"\\\"",
    b"<",
    b">",
    b";",
    b",",
    b":",
    b"@",
    b"?",
    b"=",
    b"/",
    b"%",
    b"%00",
    b"%e",
    b"[",
    b"]",
    b"[::1]",
    b":::",
    b"*",
    b"#",
    b"SIP/2.0",
    b"SIP/2.0/UDP ",
    b"sip:",
    b"tel:",
    b"Via: ",
    b"l: 4\r\n",
    b"Content-Length: ",
    b"Contact: *\r\n",
    b"CSeq: 1 INVITE\r\n",
    b";tag=",
    b";branch=z9hG4bK",
    b";lr",
    b"m=audio 1 RTP/AVP 0\r\n",
    b"a=rtpmap:",
    b"c=IN IP4 ",
    b"-1",
    b"0",
    b"65536",
    b"4294967296",
    b"18446744073709551616",
    b"\xd0\xb0",
    b"\xff",
    b"$TAG",
];

/// Above the limits of all parsers.
const MAX_INPUT: usize = 70_000;
