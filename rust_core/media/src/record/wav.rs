//! The header of a WAV file: 8 kHz, 16 bit, mono, PCM.

use super::SAMPLE_RATE_HZ;

/// Bytes before the first sample.
pub const WAV_HEADER_LEN: usize = 44;

/// The header of a file of `samples`. Sizes beyond the 32 bits of the format say the largest.
pub fn wav_header(samples: u64) -> [u8; WAV_HEADER_LEN] {
    let data_len = u32::try_from(samples * 2).unwrap_or(u32::MAX - WAV_HEADER_LEN as u32);
    let mut header = [0; WAV_HEADER_LEN];
    let mut write = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    write(0, b"RIFF");
    write(4, &(data_len + WAV_HEADER_LEN as u32 - 8).to_le_bytes());
    write(8, b"WAVEfmt ");
    write(16, &16u32.to_le_bytes());
    write(20, &PCM.to_le_bytes());
    write(22, &1u16.to_le_bytes());
    write(24, &SAMPLE_RATE_HZ.to_le_bytes());
    write(28, &(SAMPLE_RATE_HZ * 2).to_le_bytes());
    write(32, &2u16.to_le_bytes());
    write(34, &16u16.to_le_bytes());
    write(36, b"data");
    write(40, &data_len.to_le_bytes());
    header
}

const PCM: u16 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sizes_are_those_of_the_file() {
        let header = wav_header(800);
        assert_eq!(header[4..8], (1600u32 + 36).to_le_bytes());
        assert_eq!(header[40..44], 1600u32.to_le_bytes());
        assert_eq!(&header[8..16], b"WAVEfmt ");
        assert_eq!(wav_header(u64::from(u32::MAX))[4..8], (u32::MAX - 8).to_le_bytes());
    }
}
