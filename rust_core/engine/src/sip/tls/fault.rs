//! What went wrong with TLS, in words for the operator: they stand in the state of a trunk.

use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{CertificateError, Error};

/// One line. `asked` is whom we took the peer for, if we connected to it.
pub(super) fn words(error: &Error, asked: Option<&ServerName<'static>>) -> String {
    let host = asked.map_or_else(String::new, |name| name.to_str().into_owned());
    match error {
        Error::InvalidCertificate(CertificateError::NotValidForNameContext {
            expected,
            presented,
        }) => format!("certificate of {}: {}", expected.to_str(), it_is_for(presented)),
        Error::InvalidCertificate(why) => format!("certificate of {host}: {}", of_certificate(why)),
        Error::AlertReceived(alert) => format!("refused our TLS: {alert:?}"),
        Error::InvalidMessage(_) => "speaks no TLS".to_owned(),
        other => format!("TLS: {other}"),
    }
}

fn of_certificate(why: &CertificateError) -> String {
    match why {
        CertificateError::ExpiredContext { time, not_after } => {
            let since = Duration::from_secs(time.as_secs().saturating_sub(not_after.as_secs()));
            format!("it ended {} days ago", since.as_secs() / DAY_S)
        }
        CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet; is the clock right?".to_owned()
        }
        CertificateError::UnknownIssuer => {
            "nobody whom we trust has signed it (--tls-authorities)".to_owned()
        }
        other => other.to_string(),
    }
}

fn it_is_for(presented: &[String]) -> String {
    if presented.is_empty() {
        return "it is for no host".to_owned();
    }
    let names: Vec<_> = presented.iter().take(MAX_NAMES).map(|name| bare(name)).collect();
    format!("it is for {}", names.join(", "))
}

/// `DnsName("a.example")` and `IpAddress(192.0.2.1)`, as a certificate has them.
fn bare(presented: &str) -> &str {
    let inside = presented.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inside.unwrap_or(presented).trim_matches('"')
}

/// More are no help to who reads.
const MAX_NAMES: usize = 3;
const DAY_S: u64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::UnixTime;

    #[test]
    fn what_is_wrong_with_a_certificate_is_said_in_one_line() {
        let host = ServerName::try_from("sip.carrier.example").unwrap();
        let said = |why| words(&Error::InvalidCertificate(why), Some(&host));
        let at = |days| UnixTime::since_unix_epoch(Duration::from_secs(days * DAY_S));
        let named = |presented: &[&str]| CertificateError::NotValidForNameContext {
            expected: host.clone(),
            presented: presented.iter().map(|name| (*name).to_owned()).collect(),
        };
        let cases = [
            (named(&["DnsName(\"x.example\")", "IpAddress(::1)"]), "it is for x.example, ::1"),
            (named(&[]), "it is for no host"),
            (named(&["a", "b", "c", "d"]), "it is for a, b, c"),
            (
                CertificateError::ExpiredContext { time: at(9), not_after: at(2) },
                "it ended 7 days ago",
            ),
            (
                CertificateError::UnknownIssuer,
                "nobody whom we trust has signed it (--tls-authorities)",
            ),
        ];
        for (why, words) in cases {
            assert_eq!(said(why), format!("certificate of sip.carrier.example: {words}"));
        }
    }
}
