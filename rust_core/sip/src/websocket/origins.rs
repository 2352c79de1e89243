//! Whose pages may come (RFC 6455 §10.2, RFC 6454).

/// Origins of pages that may connect. A browser always says where a page is from; who says nothing is no browser, and
/// could say anything: it has to show a password like everybody.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    /// Any page may.
    any: bool,
    listed: Vec<String>,
}

impl Origins {
    /// Reads what an operator lists: `https://phone.example`, with a port where it is not the usual one, or `*` for any.
    /// The error names the one that is none.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut origins = Self::default();
        for text in texts {
            if text == "*" {
                origins.any = true;
            } else {
                origins.listed.push(normal(text).ok_or_else(|| {
                    format!(
                        "{text:?} is no origin: write https://phone.example, without a path, or *"
                    )
                })?);
            }
        }
        Ok(origins)
    }

    /// Whether a page that says it is from there may connect.
    pub(super) fn admit(&self, origin: &str) -> bool {
        self.any || normal(origin).is_some_and(|origin| self.listed.contains(&origin))
    }
}

/// Scheme and host in lower case, without the usual port. `None` for `null`, which any page can make itself, and for what
/// is more than an origin.
fn normal(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    let (scheme, authority) = text.split_once("://")?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    let is_host = |b: u8| b.is_ascii_alphanumeric() || b"-._[]:".contains(&b);
    if !is_scheme || authority.is_empty() || !authority.bytes().all(is_host) {
        return None;
    }
    let usual = match scheme {
        "https" => ":443",
        "http" => ":80",
        _ => "",
    };
    let is_name = |host: &&str| !host.is_empty() && (!host.contains(':') || host.ends_with(']'));
    let host = authority.strip_suffix(usual).filter(is_name).unwrap_or(authority);
    Some(format!("{scheme}://{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_known_however_it_is_written() {
        let listed =
            ["https://Phone.example", "http://10.0.0.1:8080", "https://[::1]:443", "app://phone"];
        let origins = Origins::parse(listed).unwrap();
        let known = [
            "https://phone.example",
            "https://phone.example:443",
            "http://10.0.0.1:8080",
            "https://[::1]",
            "app://phone",
        ];
        for origin in known {
            assert!(origins.admit(origin), "{origin}");
        }
        let unknown = [
            "http://phone.example",
            "https://phone.example.evil",
            "https://phone.example:444",
            "http://10.0.0.1",
            "null",
            "",
            "https://phone.example/",
        ];
        for origin in unknown {
            assert!(!origins.admit(origin), "{origin}");
        }
        assert!(!Origins::default().admit("https://phone.example"), "nobody is listed");
        assert!(Origins::parse(["*"]).unwrap().admit("null"));
    }

    #[test]
    fn what_is_no_origin_is_named() {
        for wrong in ["phone.example", "https://", "https://a/b", "null", "https://a b", "://a", ""]
        {
            let said = Origins::parse(["https://a", wrong]).unwrap_err();
            assert!(said.contains(&format!("{wrong:?}")), "{said}");
        }
    }
}
