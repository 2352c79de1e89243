//! SIP, SIPS and TEL addresses (RFC 3261 §19.1, RFC 3966).

use std::collections::BTreeMap;

use super::address::Params;
use super::parse::number;
use super::text::decode_percent;

/// Which kind of address it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:`; the number is the user, there is no host.
    Tel,
}

/// An address, borrowed from the text that carried it.
#[derive(Clone, Debug, PartialEq)]
pub struct Uri<'a> {
    /// Its kind.
    pub scheme: Scheme,
    user: Option<&'a str>,
    /// Host without port; IPv6 without its brackets; empty for `tel:`.
    pub host: &'a str,
    /// The port, if one is named.
    pub port: Option<u16>,
    /// Parameters after the host.
    pub params: Params<'a>,
    /// What stands after the question mark.
    pub headers: Option<&'a str>,
}

impl<'a> Uri<'a> {
    /// Reads an address. `None` if it is no SIP, SIPS or TEL address, or breaks their grammar beyond meaning: what
    /// would end it in a request line or between brackets.
    pub fn parse(text: &'a str) -> Option<Self> {
        if text.contains(|c: char| c.is_whitespace() || c.is_control() || "<>\"".contains(c)) {
            return None;
        }
        let (scheme, rest) = text.split_once(':')?;
        let scheme = match scheme {
            s if s.eq_ignore_ascii_case("sip") => Scheme::Sip,
            s if s.eq_ignore_ascii_case("sips") => Scheme::Sips,
            s if s.eq_ignore_ascii_case("tel") => return Self::parse_tel(rest),
            _ => return None,
        };
        // The last @ parts user from host: phones send raw @ and # in user parts.
        let (user, rest) = match rest.rsplit_once('@') {
            Some((user, rest)) if !user.is_empty() => (Some(user), rest),
            Some(_) => return None,
            None => (None, rest),
        };
        let (rest, headers) = match rest.split_once('?') {
            Some((rest, headers)) => (rest, Some(headers)),
            None => (rest, None),
        };
        let (host_port, params) = match rest.split_once(';') {
            Some((host_port, params)) => (host_port, Params(params)),
            None => (rest, Params("")),
        };
        // RFC 5118 §4.2: without brackets nobody knows where an IPv6 address ends and a port begins.
        if !host_port.contains('[') && host_port.matches(':').count() > 1 {
            return None;
        }
        let (host, port) = split_host_port(host_port)?;
        Some(Self { scheme, user, host, port, params, headers })
    }

    fn parse_tel(rest: &'a str) -> Option<Self> {
        let (number, params) = rest.split_once(';').unwrap_or((rest, ""));
        if number.is_empty() {
            return None;
        }
        let params = Params(params);
        Some(Self {
            scheme: Scheme::Tel,
            user: Some(number),
            host: "",
            port: None,
            params,
            headers: None,
        })
    }

    /// The user part as it stands, with a password if there is one.
    pub fn raw_user(&self) -> Option<&'a str> {
        self.user
    }

    /// The user part for people and tables: escapes read, password and user parameters left out.
    pub fn user(&self) -> Option<String> {
        let user = self.user?;
        let user = user.split_once(':').map_or(user, |(user, _password)| user);
        let user = match self.scheme {
            Scheme::Tel => user.chars().filter(|c| !"-.() ".contains(*c)).collect(),
            Scheme::Sip | Scheme::Sips => decode_percent(user.split(';').next().unwrap_or(user)),
        };
        Some(user)
    }

    /// Whether both are the same address (RFC 3261 §19.1.4): what has a default and is left out is not what names it, and
    /// parameters that only one has do not matter, but for those of `DECISIVE`.
    pub fn is_same(&self, other: &Uri<'_>) -> bool {
        let ip = |host: &str| host.parse::<std::net::IpAddr>();
        let is_same_host = self.host.eq_ignore_ascii_case(other.host)
            || matches!((ip(self.host), ip(other.host)), (Ok(one), Ok(other)) if one == other);
        self.scheme == other.scheme
            && self.user.map(decode_percent) == other.user.map(decode_percent)
            && is_same_host
            && self.port == other.port
            && self.headers == other.headers
            && agree(self.params, other.params)
    }

    /// The transport that the address asks for, in lower case.
    pub fn transport(&self) -> Option<String> {
        self.params.value("transport").map(str::to_ascii_lowercase)
    }
}

/// Whether parameters are those of the same address. Sorted first: who registers says how many there are.
fn agree(one: Params<'_>, other: Params<'_>) -> bool {
    let by_name = |params: Params<'_>| -> BTreeMap<String, String> {
        let lower = str::to_ascii_lowercase;
        params.iter().map(|(name, value)| (lower(name), lower(value.unwrap_or("")))).collect()
    };
    let (one, other) = (by_name(one), by_name(other));
    one.keys().chain(other.keys()).all(|name| match (one.get(name), other.get(name)) {
        (Some(one), Some(other)) => one == other,
        _ => !DECISIVE.contains(&name.as_str()),
    })
}

/// Parameters that say something by being left out (RFC 3261 §19.1.4).
const DECISIVE: [&str; 5] = ["transport", "user", "ttl", "method", "maddr"];

/// Takes `host`, `host:port`, `[v6]` and `[v6]:port` apart. A bare IPv6 address is taken as a host.
pub(crate) fn split_host_port(text: &str) -> Option<(&str, Option<u16>)> {
    let text = text.trim();
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        is_ipv6(host).then_some(())?;
        match rest.trim() {
            "" => (host, None),
            rest => (host, Some(rest.strip_prefix(':')?)),
        }
    } else if text.matches(':').count() > 1 {
        text.parse::<std::net::Ipv6Addr>().ok()?;
        (text, None)
    } else {
        match text.split_once(':') {
            Some((host, port)) => (host.trim_end(), Some(port)),
            None => (text, None),
        }
    };
    let is_host = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    if host.is_empty() || !host.chars().all(is_host) {
        return None;
    }
    let port = match port {
        Some(port) => Some(u16::try_from(number(port.as_bytes())?).ok()?),
        None => None,
    };
    Some((host, port))
}

/// Whether it is an IPv6 address; the three colons that the grammar of RFC 3261 puts before an IPv4 part are borne
/// with (RFC 5118 §4.10).
fn is_ipv6(host: &str) -> bool {
    let is_one = |text: &str| text.parse::<std::net::Ipv6Addr>().is_ok();
    is_one(host) || (host.contains('.') && is_one(&host.replacen(":::", "::", 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found() {
        let uri =
            Uri::parse("sip:+7495%31:pw@[2001:db8::1]:5070;transport=TCP;lr?Subject=x").unwrap();
        assert_eq!(uri.user().as_deref(), Some("+74951"));
        assert_eq!((uri.host, uri.port), ("2001:db8::1", Some(5070)));
        assert_eq!(uri.transport().as_deref(), Some("tcp"));
        assert!(uri.params.has("lr"));
        assert_eq!(uri.headers, Some("Subject=x"));
    }

    #[test]
    fn what_phones_dial_is_understood() {
        assert_eq!(Uri::parse("sip:*21#123@pbx").unwrap().user().as_deref(), Some("*21#123"));
        assert_eq!(
            Uri::parse("tel:+7(495)123-45-67;phone-context=x").unwrap().user().as_deref(),
            Some("+74951234567")
        );
        assert_eq!(Uri::parse("sip:pbx_1").unwrap().host, "pbx_1");
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in [
            "",
            "sip:",
            "sip:@x",
            "http://x",
            "sip:a@",
            "sip:a@x:99999",
            "sip:a@[::1",
            "sip:a@[zz]",
            "sip:a@x y",
            "sip:a b@x",
            "sip:a@x<sip:b@y",
            "sip:a@x;p=\"",
            "sip:a@x;p=\u{a0}",
            "sip:a@x:+5060",
            "sip:a@2001:db8::10",
            "sip:a@[2001:db8:::10]",
        ] {
            assert_eq!(Uri::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn many_parameters_are_compared_at_once() {
        let begun = crate::timers::tests::epoch();
        let names: Vec<String> = (0..20_000).map(|i| format!(";p{i}")).collect();
        let one = format!("sip:a@x{}", names.concat());
        let other = format!("sip:a@x{};end=1", names.concat());
        let (one, other) = (Uri::parse(&one).unwrap(), Uri::parse(&other).unwrap());
        assert!(one.is_same(&other));
        let took = crate::timers::tests::epoch().saturating_duration_since(begun);
        assert!(took.as_secs() < 5, "{took:?}");
    }

    #[test]
    fn addresses_compare_as_the_rfc_says() {
        let is_same = |one: &str, other: &str| {
            let (one, other) = (Uri::parse(one).unwrap(), Uri::parse(other).unwrap());
            assert_eq!(one.is_same(&other), other.is_same(&one));
            one.is_same(&other)
        };
        // RFC 3261 §19.1.4, and addresses of IPv6.
        for (one, other) in [
            ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
            ("sip:a@[2001:db8::1]", "sip:a@[2001:DB8:0::1]"),
        ] {
            assert!(is_same(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
            ("sip:bob@biloxi.com", "sips:bob@biloxi.com"),
            ("sip:carol@chicago.com?Subject=next%20meeting", "sip:carol@chicago.com"),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
            ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ] {
            assert!(!is_same(one, other), "{one} {other}");
        }
    }
}
