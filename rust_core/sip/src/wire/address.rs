//! Name-addresses of From, To, Contact, Route (RFC 3261 §20.10) and parameter lists.

use super::text::display_text;
use super::uri::Uri;

/// Parameters `a;b=c;d="e"`, read when asked. Names compare without regard to case.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Params<'a>(pub(crate) &'a str);

impl<'a> Params<'a> {
    /// The parameters that follow the first semicolon of a value.
    pub fn of(value: &'a str) -> Self {
        Self(value.split_once(';').map_or(value, |(_, params)| params))
    }

    /// Name and value of each, quotes of a value left out.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> {
        split_outside_quotes(self.0, ';').filter(|part| !part.trim().is_empty()).map(|part| {
            match part.split_once('=') {
                Some((name, value)) => (name.trim(), Some(without_quotes(value.trim()))),
                None => (part.trim(), None),
            }
        })
    }

    /// The value of a parameter; "" if it has none.
    pub fn value(self, name: &str) -> Option<&'a str> {
        self.iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.unwrap_or(""))
    }

    /// Whether the parameter is there, with a value (`lr=on`) or without.
    pub fn has(self, name: &str) -> bool {
        self.value(name).is_some()
    }
}

/// A name, an address and parameters: `"Anna" <sip:101@x>;tag=1`, borrowed from the header value.
#[derive(Clone, Debug, PartialEq)]
pub struct Address<'a> {
    name: &'a [u8],
    /// The address between the brackets, or all before the first semicolon where there are none.
    pub uri: &'a str,
    /// Parameters of the header field, not of the address.
    pub params: Params<'a>,
}

impl<'a> Address<'a> {
    /// Reads a value. `None` if quotes or brackets are not closed, or the address is not text.
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let value = value.trim_ascii();
        let Some(open) = find_outside_quotes(value, |b| b == b'<')? else {
            let text = std::str::from_utf8(value).ok()?;
            let (uri, params) = text.split_once(';').unwrap_or((text, ""));
            return Some(Self { name: b"", uri: uri.trim(), params: Params(params) });
        };
        let close = open + value[open..].iter().position(|&b| b == b'>')?;
        let uri = std::str::from_utf8(&value[open + 1..close]).ok()?.trim();
        let rest = std::str::from_utf8(&value[close + 1..]).ok()?.trim();
        if has_open_quote(rest) {
            return None;
        }
        let params = match rest.strip_prefix(';') {
            Some(params) => params,
            None if rest.is_empty() => "",
            None => return None,
        };
        Some(Self { name: value[..open].trim_ascii(), uri, params: Params(params) })
    }

    /// The address, taken apart.
    pub fn parsed_uri(&self) -> Option<Uri<'a>> {
        Uri::parse(self.uri)
    }

    /// The tag (RFC 3261 §19.3).
    pub fn tag(&self) -> Option<&'a str> {
        self.params.value("tag").filter(|tag| !tag.is_empty())
    }

    /// The name for people: quotes and escapes left out.
    pub fn display_name(&self) -> String {
        let name = self.name;
        let inner = name.strip_prefix(b"\"").and_then(|n| n.strip_suffix(b"\""));
        let Some(inner) = inner else { return display_text(name) };
        let mut plain = Vec::with_capacity(inner.len());
        let mut escaped = false;
        for &byte in inner {
            if byte == b'\\' && !escaped {
                escaped = true;
            } else {
                plain.push(byte);
                escaped = false;
            }
        }
        display_text(&plain)
    }
}

/// Whether a quote is not closed: whatever were appended would belong to it.
pub(super) fn has_open_quote(text: &str) -> bool {
    find_outside_quotes(text.as_bytes(), |_| false).is_none()
}

/// Where `wanted` first stands outside quotes: `Some(None)` nowhere, `None` if a quote is not closed before.
fn find_outside_quotes(value: &[u8], wanted: impl Fn(u8) -> bool) -> Option<Option<usize>> {
    let (mut quoted, mut escaped) = (false, false);
    for (i, &byte) in value.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if wanted(byte) && !quoted => return Some(Some(i)),
            _ => {}
        }
    }
    (!quoted).then_some(None)
}

/// One pair of quotes taken off; escapes inside stay as they are.
fn without_quotes(value: &str) -> &str {
    value.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(value)
}

pub(super) fn split_outside_quotes(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => return c == separator && !quoted,
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_value_is_taken_apart() {
        let address = Address::parse(br#""A. \"B\" <x>" <sip:101@h;lr>;tag=t1;q="0.5""#).unwrap();
        assert_eq!(address.display_name(), r#"A. "B" <x>"#);
        assert_eq!(address.uri, "sip:101@h;lr");
        assert_eq!((address.tag(), address.params.value("Q")), (Some("t1"), Some("0.5")));
    }

    #[test]
    fn quoted_parameters_keep_what_their_quotes_protect() {
        let params = Params(r#"a="x\";tag=evil";b="";c=""d""#);
        let all: Vec<_> = params.iter().collect();
        let expected = [("a", Some(r#"x\";tag=evil"#)), ("b", Some("")), ("c", Some("\"d"))];
        assert_eq!(all, expected);
        assert_eq!(params.value("tag"), None);
    }

    #[test]
    fn without_brackets_parameters_belong_to_the_header() {
        let address = Address::parse(b"sip:101@h;tag=t1").unwrap();
        assert_eq!((address.uri, address.tag()), ("sip:101@h", Some("t1")));
    }

    #[test]
    fn unquoted_names_are_understood_and_open_quotes_refused() {
        assert_eq!(Address::parse(b"J. Doe (x) <sip:a@b>").unwrap().display_name(), "J. Doe (x)");
        assert_eq!(Address::parse(b"\"Doe <sip:a@b>"), None);
        assert_eq!(Address::parse(b"<sip:a@b"), None);
        assert_eq!(Address::parse(b"<sip:a@b>;x=\"y"), None);
    }
}
