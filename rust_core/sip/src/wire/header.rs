//! Header fields in their order (RFC 3261 §7.3).

use bytes::Bytes;

use super::text::{is_line_safe, split_commas, trim};

macro_rules! header_names {
    ($($variant:ident = $name:literal $(/ $compact:literal)?),+ $(,)?) => {
        /// The name of a header field; compares without regard to case and compact form.
        #[derive(Clone, Debug, Eq, Hash, PartialEq)]
        #[allow(missing_docs, reason = "each is the header it names")]
        pub enum HeaderName {
            $($variant,)+
            /// Any other, in lower case.
            Other(String),
        }

        impl HeaderName {
            /// Reads a name in its long or compact form (RFC 3261 §7.3.3).
            pub fn parse(name: &[u8]) -> Self {
                $(if name.eq_ignore_ascii_case($name.as_bytes()) $(|| name.eq_ignore_ascii_case($compact.as_bytes()))? {
                    return Self::$variant;
                })+
                Self::Other(String::from_utf8_lossy(name).to_ascii_lowercase())
            }

            /// The name as it is written where there is little room.
            pub fn as_compact(&self) -> &str {
                match self {
                    $($(Self::$variant => $compact,)?)+
                    other => other.as_str(),
                }
            }

            /// The name as it is written.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $name,)+
                    Self::Other(name) => name,
                }
            }
        }
    };
}

header_names! {
    Via = "Via" / "v",
    From = "From" / "f",
    To = "To" / "t",
    CallId = "Call-ID" / "i",
    CSeq = "CSeq",
    Contact = "Contact" / "m",
    MaxForwards = "Max-Forwards",
    ContentLength = "Content-Length" / "l",
    ContentType = "Content-Type" / "c",
    ContentEncoding = "Content-Encoding" / "e",
    Route = "Route",
    RecordRoute = "Record-Route",
    Authorization = "Authorization",
    ProxyAuthorization = "Proxy-Authorization",
    WwwAuthenticate = "WWW-Authenticate",
    ProxyAuthenticate = "Proxy-Authenticate",
    Allow = "Allow",
    Supported = "Supported" / "k",
    Unsupported = "Unsupported",
    Require = "Require",
    Accept = "Accept",
    UserAgent = "User-Agent",
    Server = "Server",
    Expires = "Expires",
    MinExpires = "Min-Expires",
    SessionExpires = "Session-Expires" / "x",
    MinSe = "Min-SE",
    RetryAfter = "Retry-After",
    Reason = "Reason",
    RSeq = "RSeq",
    RAck = "RAck",
    Warning = "Warning",
    Path = "Path",
    PAssertedIdentity = "P-Asserted-Identity",
    PPreferredIdentity = "P-Preferred-Identity",
    RemotePartyId = "Remote-Party-ID",
    Privacy = "Privacy",
    Diversion = "Diversion",
    HistoryInfo = "History-Info",
    Subject = "Subject" / "s",
    Date = "Date",
    ReferTo = "Refer-To" / "r",
    ReferSub = "Refer-Sub",
    Replaces = "Replaces",
    Event = "Event" / "o",
    SubscriptionState = "Subscription-State",
}

impl HeaderName {
    /// Whether one line may carry several values separated by commas, and we read it so.
    fn is_list(&self) -> bool {
        matches!(
            self,
            Self::Via
                | Self::Contact
                | Self::Route
                | Self::RecordRoute
                | Self::Path
                | Self::Allow
                | Self::Supported
                | Self::Require
                | Self::PAssertedIdentity
                | Self::Diversion
                | Self::HistoryInfo
        )
    }
}

/// Header fields in the order of the message. Values are the bytes between colon and line end, trimmed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Headers(Vec<(HeaderName, Bytes)>);

impl Headers {
    /// No fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// The first value of a field, a whole line.
    pub fn line(&self, name: &HeaderName) -> Option<&Bytes> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value)
    }

    /// The first value of a field as text; `None` too when it is not UTF-8.
    pub fn text(&self, name: &HeaderName) -> Option<&str> {
        self.line(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Every line of a field, in order.
    pub fn lines<'a>(&'a self, name: &'a HeaderName) -> impl Iterator<Item = &'a Bytes> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value)
    }

    /// Every value of a field, in order; lists separated by commas are taken apart.
    pub fn values<'a>(&'a self, name: &'a HeaderName) -> impl Iterator<Item = Bytes> + 'a {
        let is_list = name.is_list();
        self.lines(name).flat_map(
            move |line| {
                if is_list { split_commas(line) } else { vec![line.clone()] }
            },
        )
    }

    /// Whether a list field holds `token`, without regard to case.
    pub fn has_token(&self, name: &HeaderName, token: &str) -> bool {
        self.values(name).any(|value| value.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// Appends a field. In the value, bytes that would end the line and control characters become spaces; left out,
    /// they would take the quoted pair with them that they may stand in (RFC 3261 §25.1). White space at its ends goes.
    pub fn push(&mut self, name: HeaderName, value: impl Into<Bytes>) {
        let value = value.into();
        let value = if value.iter().all(|&b| is_line_safe(b)) {
            value
        } else {
            value.iter().map(|&b| if is_line_safe(b) { b } else { b' ' }).collect()
        };
        let value = value.slice_ref(trim(&value));
        self.0.push((name, value));
    }

    /// Replaces all fields of this name by one.
    pub fn set(&mut self, name: HeaderName, value: impl Into<Bytes>) {
        self.remove(&name);
        self.push(name, value);
    }

    /// Removes all fields of this name.
    pub fn remove(&mut self, name: &HeaderName) {
        self.0.retain(|(n, _)| n != name);
    }

    /// Replaces the first line of a field where it stands.
    pub(crate) fn replace_first(&mut self, name: &HeaderName, value: Bytes) {
        if let Some(entry) = self.0.iter_mut().find(|(n, _)| n == name) {
            entry.1 = value;
        }
    }

    /// All fields, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&HeaderName, &Bytes)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_in_every_spelling() {
        for spelling in ["Via", "VIA", "v", "V"] {
            assert_eq!(HeaderName::parse(spelling.as_bytes()), HeaderName::Via);
        }
        assert_eq!(HeaderName::parse(b"X-Foo"), HeaderName::Other("x-foo".into()));
    }

    #[test]
    fn a_value_cannot_start_a_new_line() {
        let mut headers = Headers::new();
        headers.push(HeaderName::Subject, "a\r\nX-Evil: 1\0b");
        assert_eq!(headers.text(&HeaderName::Subject), Some("a  X-Evil: 1 b"));
    }

    #[test]
    fn lists_are_taken_apart_but_not_inside_quotes_or_brackets() {
        let mut headers = Headers::new();
        headers.push(HeaderName::Contact, "\"a,b\" <sip:x@y?z=1,2>;q=1, <sip:c@d>");
        let values: Vec<_> = headers.values(&HeaderName::Contact).collect();
        assert_eq!(values, ["\"a,b\" <sip:x@y?z=1,2>;q=1", "<sip:c@d>"]);
    }
}
