//! Small readers and writers of text inside header values.

use bytes::Bytes;

/// Whether a byte may stand in a header value: no control character but the tab.
pub(crate) fn is_line_safe(byte: u8) -> bool {
    byte == b'\t' || (byte >= 0x20 && byte != 0x7f)
}

/// Takes a list apart at its commas, not inside quotes or angle brackets. Empty elements are left out.
pub fn split_commas(line: &Bytes) -> Vec<Bytes> {
    let mut values = Vec::new();
    let (mut start, mut quoted, mut escaped, mut bracketed) = (0, false, false, false);
    let mut take = |from: usize, to: usize| {
        let part = trim(&line[from..to]);
        if !part.is_empty() {
            values.push(line.slice_ref(part));
        }
    };
    for (i, &byte) in line.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' if !bracketed => quoted = !quoted,
            b'<' if !quoted => bracketed = true,
            b'>' if !quoted => bracketed = false,
            b',' if !quoted && !bracketed => {
                take(start, i);
                start = i + 1;
            }
            _ => {}
        }
    }
    take(start, line.len());
    values
}

/// Without white space at both ends.
pub(crate) fn trim(bytes: &[u8]) -> &[u8] {
    bytes.trim_ascii()
}

/// Reads `%41` as `A`; a broken escape stays as it is. Bytes that are no UTF-8 become U+FFFD.
pub fn decode_percent(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let digit = |at: usize| bytes.get(at).and_then(|&b| char::from(b).to_digit(16));
        match (bytes[i], digit(i + 1), digit(i + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                i += 3;
            }
            (byte, ..) => {
                out.push(byte);
                i += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Writes the user part of a URI, with `%` before what RFC 3261 §25.1 doesn't allow there.
pub fn encode_user(user: &str) -> String {
    const UNRESERVED: &[u8] = b"-_.!~*'()&=+$,;?/";
    let mut out = String::with_capacity(user.len());
    for &byte in user.as_bytes() {
        if byte.is_ascii_alphanumeric() || UNRESERVED.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// A quoted string (RFC 3261 §25.1) of what people call themselves, without what cannot be seen.
pub fn quoted(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 2);
    out.push('"');
    for c in name.chars().filter(|&c| is_visible(c)) {
        if c == '"' || c == '\\' {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// A display name for people: UTF-8 where it is, otherwise Windows-1251, the usual other one of phones that say
/// Cyrillic names. What cannot be seen is left out; at most `MAX_NAME_CHARS` are kept.
pub fn display_text(raw: &[u8]) -> String {
    let text = match std::str::from_utf8(raw) {
        Ok(text) => text.to_owned(),
        Err(_) => raw.iter().map(|&byte| from_cp1251(byte)).collect(),
    };
    text.chars().filter(|&c| is_visible(c)).take(MAX_NAME_CHARS).collect()
}

/// Neither a control character nor one that changes how others are shown: those of direction (UAX #9 §2) and of no width
/// would let a name or a line of the log read as another. The joiners of emoji and some scripts go with them.
fn is_visible(c: char) -> bool {
    !c.is_control()
        && !matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// The letters and the few signs that names use; the rest becomes U+FFFD.
fn from_cp1251(byte: u8) -> char {
    match byte {
        0..=0x7f => char::from(byte),
        0xa8 => 'Ё',
        0xb8 => 'ё',
        0xaa => 'Є',
        0xba => 'є',
        0xaf => 'Ї',
        0xbf => 'ї',
        0xb2 => 'І',
        0xb3 => 'і',
        0xb9 => '№',
        0xab => '«',
        0xbb => '»',
        0xa0 => ' ',
        0xc0..=0xff => char::from_u32(0x0410 + u32::from(byte - 0xc0)).unwrap_or('\u{fffd}'),
        _ => '\u{fffd}',
    }
}

/// More of a name is of no use to anybody and would cost memory in every record.
const MAX_NAME_CHARS: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_escapes_are_read_and_broken_ones_kept() {
        assert_eq!(decode_percent("%41%2b1%zz%4"), "A+1%zz%4");
        assert_eq!(decode_percent("*21#%23"), "*21##");
    }

    #[test]
    fn what_is_written_as_user_reads_back() {
        for user in ["101", "+7(495)1", "а б", "x@y:z#<>\""] {
            assert_eq!(decode_percent(&encode_user(user)), user);
            assert!(!encode_user(user).contains(['@', ' ', '<', '#', ':']));
        }
    }

    #[test]
    fn cyrillic_names_are_read_in_both_encodings() {
        assert_eq!(display_text("Анна".as_bytes()), "Анна");
        assert_eq!(display_text(&[0xc0, 0xed, 0xed, 0xe0]), "Анна");
        assert_eq!(display_text(b"a\r\n\x00b"), "ab");
    }

    #[test]
    fn what_cannot_be_seen_is_in_no_name() {
        let hidden = "\u{202a}\u{202e}\u{2066}\u{2069}\u{200b}\u{200f}\u{61c}\u{feff}\u{2028}\u{ad}\u{e0041}\u{34f}\u{115f}\u{17b4}\u{180b}\u{2800}\u{3164}\u{ffa0}\u{e0100}";
        for c in hidden.chars() {
            let name = format!("Ann{c}a");
            assert_eq!(display_text(name.as_bytes()), "Anna");
            assert_eq!(quoted(&name), "\"Anna\"");
        }
        for name in ["José", "שרה", "محمد", "李雷", "Ирина\u{a0}П", "🙂"] {
            assert_eq!(display_text(name.as_bytes()), name);
        }
    }
}
