//! Where messages come from and go to.

use std::net::SocketAddr;

use bytes::Bytes;

/// How a message travels.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Transport {
    /// One message, one datagram; lost ones are repeated.
    Udp,
    /// A stream.
    Tcp,
    /// A stream inside TLS.
    Tls,
    /// WebSocket (RFC 7118): messages over a connection that the peer has opened.
    Ws,
    /// WebSocket inside TLS.
    Wss,
}

impl Transport {
    /// As in Via.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// As in URIs and configuration; `None` for others.
    pub fn parse(name: &str) -> Option<Self> {
        let all = [Self::Udp, Self::Tcp, Self::Tls, Self::Ws, Self::Wss];
        all.into_iter().find(|t| t.as_str().eq_ignore_ascii_case(name))
    }

    /// Whether the network repeats what is lost (RFC 3261 §17.1.1.1).
    pub fn is_reliable(self) -> bool {
        self != Self::Udp
    }

    /// Whether nobody between two hops can read along (RFC 5630 §3).
    pub fn is_secure(self) -> bool {
        matches!(self, Self::Tls | Self::Wss)
    }

    /// Whether only the peer can connect: a browser listens nowhere.
    pub fn is_web_socket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }

    /// Whether messages follow one another in a stream of bytes, so that only Content-Length says where each ends
    /// (RFC 3261 §18.3, RFC 7118 §5.1).
    pub(crate) fn is_stream(self) -> bool {
        matches!(self, Self::Tcp | Self::Tls)
    }

    /// What a URI of ours says of it; over WebSocket too, `sips:` says that TLS is meant
    /// (RFC 7118 §5.2.2).
    pub(crate) fn uri_parameter(self) -> &'static str {
        match self {
            Self::Udp => "",
            Self::Tcp => ";transport=tcp",
            Self::Tls => ";transport=tls",
            Self::Ws | Self::Wss => ";transport=ws",
        }
    }

    /// Where a URI without a port leads (RFC 3261 §19.1.2, RFC 6455 §3).
    pub fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }
}

/// An address that the engine listens on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Listener {
    /// UDP socket or listener of streams.
    pub transport: Transport,
    /// What peers are told: stands in Via and Contact.
    pub advertised: SocketAddr,
}

/// One way between us and a peer: a pair of UDP addresses, or a connection.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Flow {
    /// Index of the listener; for an outgoing connection one of the same transport.
    pub listener: usize,
    /// Its transport.
    pub transport: Transport,
    /// The peer as we see it.
    pub peer: SocketAddr,
    /// The connection of a stream; `None`: any to that peer, or a new one.
    pub connection: Option<u64>,
}

/// Bytes to send.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Transmit {
    /// Where to.
    pub flow: Flow,
    /// A whole message.
    pub bytes: Bytes,
}
