//! Makes a message fit to be looked at by others than its sender and receiver.
//!
//! Each byte of a secret becomes `x`, so that lengths, Content-Length among them, stay as they were. Masked are:
//!
//! * in headers: `response`, `rspauth` and `cnonce` of digest credentials (who has them may guess the password at home),
//!   all of credentials of other schemes, and passwords inside URIs (RFC 3261 §19.1.1);
//! * in session descriptions: keys of `a=crypto` (RFC 4568), `a=key-mgmt` (RFC 4567) and `k=` (RFC 8866 §5.12), and
//!   `a=ice-pwd` (RFC 8839 §5.4);
//! * keys that somebody pressed, in INFO: menus ask for PINs and card numbers;
//! * the text of MESSAGE (RFC 3428).

/// A copy without secrets, as long as the message. Whatever it is given.
pub fn masked(message: &[u8]) -> Vec<u8> {
    let mut out = message.to_vec();
    let head = head_length(&out);
    let (head, body) = out.split_at_mut(head);
    let content = mask_head(head);
    match content {
        Content::Text => hide(body),
        Content::Keys => mask_keys(body, false),
        Content::KeyAlone => mask_keys(body, true),
        Content::Other => {}
    }
    each_line(body, mask_description_line);
    out
}

/// What the body is, as far as that matters.
#[derive(Clone, Copy)]
enum Content {
    /// Of a MESSAGE.
    Text,
    /// `Signal=5` among others, of an INFO.
    Keys,
    /// Nothing but the key, of an INFO.
    KeyAlone,
    Other,
}

/// Up to and with the empty line; all of it where there is none.
fn head_length(bytes: &[u8]) -> usize {
    let start = bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
    let mut at = start;
    while let Some(length) = bytes[at..].iter().position(|&b| b == b'\n') {
        let is_empty = bytes[at..at + length].iter().all(|&b| b == b'\r');
        at += length + 1;
        if is_empty {
            return at;
        }
    }
    bytes.len()
}

fn mask_head(head: &mut [u8]) -> Content {
    let is_first = |head: &[u8], method: &[u8]| head.trim_ascii_start().starts_with(method);
    let mut content = match () {
        () if is_first(head, b"MESSAGE ") => Content::Text,
        () if is_first(head, b"INFO ") => Content::Keys,
        () => Content::Other,
    };
    let mut field = Field::Other;
    each_line(head, |line| {
        // A line that begins with white space goes on with the field above it.
        if !matches!(line.first(), Some(b' ' | b'\t')) {
            field = Field::of(line);
        }
        match field {
            Field::Credentials => mask_credentials(line),
            Field::ContentType if matches!(content, Content::Keys) && is_key_alone(line) => {
                content = Content::KeyAlone;
            }
            _ => {}
        }
        mask_uri_passwords(line);
    });
    content
}

#[derive(Clone, Copy)]
enum Field {
    Credentials,
    ContentType,
    Other,
}

impl Field {
    fn of(line: &[u8]) -> Self {
        let name = line.split(|&b| b == b':').next().unwrap_or_default().trim_ascii();
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        match () {
            () if is(b"Authorization") || is(b"Proxy-Authorization") => Self::Credentials,
            () if is(b"Authentication-Info") || is(b"Proxy-Authentication-Info") => {
                Self::Credentials
            }
            () if is(b"Content-Type") || is(b"c") => Self::ContentType,
            () => Self::Other,
        }
    }
}

/// Of a digest what is computed with the password; of another scheme everything.
fn mask_credentials(line: &mut [u8]) {
    let is_folded = matches!(line.first(), Some(b' ' | b'\t'));
    let from =
        if is_folded { 0 } else { line.iter().position(|&b| b == b':').map_or(0, |at| at + 1) };
    let value = &mut line[from..];
    let start = value.iter().take_while(|b| b.is_ascii_whitespace()).count();
    let scheme = value[start..].split(|b| !b.is_ascii_alphanumeric()).next().unwrap_or_default();
    let is_other = [&b"Basic"[..], b"Bearer", b"Negotiate", b"NTLM", b"Kerberos"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known));
    if is_other {
        let length = start + scheme.len();
        return hide(&mut value[length..]);
    }
    for name in [&b"response"[..], b"rspauth", b"cnonce"] {
        mask_parameter(value, name);
    }
}

/// Hides the value of each parameter of that name, quoted or not.
fn mask_parameter(value: &mut [u8], name: &[u8]) {
    let mut at = 0;
    while let Some(found) = find(&value[at..], name) {
        let begins = at + found == 0 || !is_word(value[at + found - 1]);
        at += found + name.len();
        let gap = value[at..].iter().take_while(|b| b.is_ascii_whitespace()).count();
        if !begins || value.get(at + gap) != Some(&b'=') {
            continue;
        }
        at += gap + 1;
        at += value[at..].iter().take_while(|b| b.is_ascii_whitespace()).count();
        let is_quoted = value.get(at) == Some(&b'"');
        at += usize::from(is_quoted);
        let ends = |b: &u8| {
            if is_quoted { *b == b'"' } else { matches!(b, b',' | b' ' | b'\t' | b'\r' | b'\n') }
        };
        let length = value[at..].iter().position(ends).unwrap_or(value.len() - at);
        hide(&mut value[at..at + length]);
        at += length;
    }
}

/// `sip:user:password@host`.
fn mask_uri_passwords(line: &mut [u8]) {
    let mut at = 0;
    while let Some(found) = find(&line[at..], b"sip").map(|found| at + found) {
        at = found + 3;
        at += usize::from(line.get(at).is_some_and(|b| b.eq_ignore_ascii_case(&b's')));
        if line.get(at) != Some(&b':') {
            continue;
        }
        at += 1;
        let ends = |b: &u8| matches!(b, b'@' | b'<' | b'>' | b'"' | b' ' | b'\t' | b'\r' | b'\n');
        let length = line[at..].iter().position(ends).unwrap_or(line.len() - at);
        if line.get(at + length) != Some(&b'@') {
            continue;
        }
        if let Some(colon) = line[at..at + length].iter().position(|&b| b == b':') {
            hide(&mut line[at + colon + 1..at + length]);
        }
        at += length;
    }
}

/// Whatever the body is said to be: a description may come inside another body.
fn mask_description_line(line: &mut [u8]) {
    let starts = |name: &[u8]| line.get(..name.len()).is_some_and(|l| l.eq_ignore_ascii_case(name));
    let from = match () {
        () if starts(b"a=crypto:") => {
            find(line, b"inline:").map_or(b"a=crypto:".len(), |at| at + 7)
        }
        () if starts(b"a=ice-pwd:") => b"a=ice-pwd:".len(),
        () if starts(b"a=key-mgmt:") => b"a=key-mgmt:".len(),
        () if starts(b"k=") => 2,
        () => return,
    };
    hide(&mut line[from..]);
}

/// The keys themselves; not how long they were pressed.
fn mask_keys(body: &mut [u8], is_alone: bool) {
    if is_alone {
        return hide(body);
    }
    each_line(body, |line| {
        if let Some(at) = find(line, b"signal") {
            hide(&mut line[at + b"signal".len()..]);
        }
    });
}

/// Letters, digits and signs; not white space and what separates, so that it looks like what it was.
fn hide(bytes: &mut [u8]) {
    for byte in bytes {
        if !matches!(byte, b'=' | b':' | b' ' | b'\t' | b'\r' | b'\n') {
            *byte = b'x';
        }
    }
}

/// Lines with their ends.
fn each_line(bytes: &mut [u8], change: impl FnMut(&mut [u8])) {
    bytes.split_inclusive_mut(|&b| b == b'\n').for_each(change);
}

/// Where a word stands, whatever its case.
fn find(bytes: &[u8], word: &[u8]) -> Option<usize> {
    bytes.windows(word.len()).position(|window| window.eq_ignore_ascii_case(word))
}

fn is_key_alone(content_type: &[u8]) -> bool {
    find(content_type, b"application/dtmf").is_some() && find(content_type, b"relay").is_none()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(text: &str) -> String {
        let out = masked(text.as_bytes());
        assert_eq!(out.len(), text.len(), "Content-Length stays true");
        assert_eq!(masked(&out), out, "what is masked stays as it is");
        String::from_utf8(out).unwrap()
    }

    fn head(lines: &str) -> String {
        mask(&format!("REGISTER sip:x SIP/2.0\r\n{lines}\r\n\r\n"))
    }

    fn body(method: &str, kind: &str, body: &str) -> String {
        let whole = mask(&format!("{method} sip:x SIP/2.0\r\nContent-Type: {kind}\r\n\r\n{body}"));
        whole.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    #[test]
    fn what_is_computed_with_a_password_is_hidden_and_the_rest_of_a_digest_is_not() {
        let line = "Authorization: Digest username=\"anna\", nonce=\"n1\", uri=\"sip:x\", response=\"0f9a\", \
                    cnonce=\"c0\", nc=00000001";
        let out = head(line);
        assert!(out.contains("response=\"xxxx\""), "{out}");
        assert!(
            out.contains("cnonce=\"xx\"") && out.contains("nonce=\"n1\"") && out.contains("anna"),
            "{out}"
        );
        for line in [
            "proxy-authorization :Digest Response = 0f9a,nc=1",
            "Proxy-Authorization: Digest nc=1,\r\n response=\"0f9a\"",
            "Authentication-Info: rspauth=\"0f9a\", nc=1",
            "Authorization: Bearer 0f9a",
            "AUTHORIZATION:\r\n\tBasic 0f9a==",
            "Authorization: Digest response=\"0f9a",
        ] {
            let out = head(line);
            assert!(!out.contains("0f9a") && out.contains("xxxx"), "{out}");
        }
        assert!(head("WWW-Authenticate: Digest nonce=\"0f9a\"").contains("0f9a"));
    }

    #[test]
    fn passwords_in_uris_are_hidden() {
        let out = head(
            "From: \"a:b\" <sip:anna:pass;w@x>;tag=1\r\nTo: sips:a@x, <SIP:b:pass@[::1]:5060>",
        );
        assert!(!out.contains("pass"), "{out}");
        assert!(
            out.contains("\"a:b\" <sip:anna:xxxxxx@x>;tag=1") && out.contains("sips:a@x"),
            "{out}"
        );
        assert!(out.contains("<SIP:b:xxxx@[::1]:5060>"), "{out}");
        assert!(mask("BYE sip:anna:pass@x SIP/2.0\r\n\r\n").starts_with("BYE sip:anna:xxxx@x SIP"));
    }

    #[test]
    fn keys_of_sound_are_hidden_wherever_they_stand() {
        let sdp = "v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19z|2^20\r\na=ice-pwd:WVNfX19z\r\n\
                   k=base64:WVNfX19z\r\na=key-mgmt:mikey WVNfX19z\r\na=fingerprint:sha-256 AB:CD\r\nm=audio 1 x 8\r\n";
        for kind in ["application/sdp", "multipart/mixed;boundary=x"] {
            let out = body("INVITE", kind, sdp);
            assert!(!out.contains("WVNf"), "{out}");
            assert!(
                out.contains("AES_CM_128_HMAC_SHA1_80 inline:x") && out.contains("AB:CD"),
                "{out}"
            );
        }
    }

    #[test]
    fn keys_that_were_pressed_and_texts_are_hidden() {
        let out = body("INFO", "application/dtmf-relay", "Signal= 5\r\nDuration=160\r\n");
        assert_eq!(out, "Signal= x\r\nDuration=160\r\n");
        assert_eq!(body("INFO", "application/dtmf", "5"), "x");
        assert_eq!(body("INFO", "application/xml", "<a>5</a>"), "<a>5</a>");
        assert_eq!(body("MESSAGE", "text/plain", "PIN 1234\r\n"), "xxx xxxx\r\n");
        assert_eq!(body("NOTIFY", "text/plain", "1234"), "1234");
    }
}
