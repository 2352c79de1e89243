//! What a trunk is told of calls, and what is believed of it.

/// Which header says who calls.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Identity {
    /// From alone.
    #[default]
    From,
    /// P-Asserted-Identity (RFC 3325 §9.1), besides From.
    Asserted,
    /// P-Preferred-Identity (RFC 3325 §9.2), besides From.
    Preferred,
    /// Remote-Party-ID (draft-ietf-sip-privacy-04), besides From: what many switches knew before RFC 3325.
    RemoteParty,
}

impl Identity {
    /// Reads a name as Python and documents write it.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "from" => Some(Self::From),
            "p_asserted_identity" => Some(Self::Asserted),
            "p_preferred_identity" => Some(Self::Preferred),
            "remote_party_id" => Some(Self::RemoteParty),
            _ => None,
        }
    }
}

/// Which header says for whom a forwarded call was first.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Forwarding {
    /// None.
    #[default]
    Untold,
    /// Diversion (RFC 5806).
    Diversion,
    /// History-Info (RFC 7044).
    HistoryInfo,
    /// Both.
    Both,
}

impl Forwarding {
    /// Reads a name as Python and documents write it.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "none" => Some(Self::Untold),
            "diversion" => Some(Self::Diversion),
            "history_info" => Some(Self::HistoryInfo),
            "both" => Some(Self::Both),
            _ => None,
        }
    }
}

/// How we and a trunk speak of calls.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Profile {
    /// Where it reads who calls.
    pub identity: Identity,
    /// Whether it belongs to our trust domain (RFC 3325 §2.3): what it asserts is believed, and it is told the number of
    /// who wants to be anonymous.
    pub is_trusted: bool,
    /// Where it reads for whom a forwarded call was.
    pub forwarding: Forwarding,
    /// Encoding names that are spoken with it, the preferred first; empty: all.
    pub codecs: Vec<String>,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            identity: Identity::From,
            is_trusted: true,
            forwarding: Forwarding::Untold,
            codecs: Vec::new(),
        }
    }
}
