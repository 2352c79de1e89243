//! SplitMix64: a state that steps, and a number mixed from it. Not for secrets.

/// From one state to the next: the golden ratio of 2⁶⁴.
pub(super) const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The number of a state.
pub(super) fn mix(state: u64) -> u64 {
    let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
