//! TLS for SIP (RFC 3261 §26.3.1, RFC 5922): our certificate, whom we trust, and the keys of each connection. Nothing
//! here reads or writes a socket, and the SIP thread never waits for a file.
//!
//! A new certificate is for new connections; open ones keep theirs, so that no call notices.

mod fault;
mod files;
mod session;
mod watch;

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ServerConnection};
use tandem_sip::endpoint::{Host, Server, Transport, Trunk};

pub(crate) use files::Identity;
pub(super) use session::Session;
pub(super) use watch::Watch;

/// What all connections inside TLS share.
#[derive(Debug)]
pub(super) struct Tls {
    identity: Identity,
    /// What the certificate at an address must be for: the hosts of all trunks that are there.
    names: HashMap<IpAddr, Arc<[ServerName<'static>]>>,
    /// Hosts of trunks over TLS.
    hosts: HashSet<Host>,
    /// Handshakes that came to an end.
    pub(super) handshakes: u64,
    /// Handshakes that came to none.
    pub(super) failed: u64,
    reloads: u64,
    reload_errors: u64,
}

impl Tls {
    pub(super) fn new(identity: Identity) -> Self {
        Self {
            identity,
            names: HashMap::new(),
            hosts: HashSet::new(),
            handshakes: 0,
            failed: 0,
            reloads: 0,
            reload_errors: 0,
        }
    }

    /// A session with who has connected to us.
    pub(super) fn accept(&self) -> Option<Session> {
        let connection = ServerConnection::new(self.identity.server.clone()).ok()?;
        Some(Session::new(connection.into(), [].into()))
    }

    /// A session with a trunk that we connect to. The error is for people: nobody is connected to whose certificate
    /// could be anybody's.
    pub(super) fn connect(&self, peer: IpAddr) -> Result<Session, String> {
        let names = self.names_at(peer);
        let first = names.first().cloned().ok_or("no trunk over TLS is there")?;
        let connection = ClientConnection::new(self.identity.client.clone(), first)
            .map_err(|error| error.to_string())?;
        Ok(Session::new(connection.into(), names))
    }

    /// What a certificate there must be for; nothing where no trunk is.
    pub(super) fn names_at(&self, peer: IpAddr) -> Arc<[ServerName<'static>]> {
        self.names.get(&peer).cloned().unwrap_or_default()
    }

    /// A new table of trunks is in force.
    pub(super) fn set_trunks(&mut self, trunks: &[Trunk]) {
        self.names.clear();
        self.hosts.clear();
        for trunk in trunks.iter().filter(|trunk| trunk.transport == Transport::Tls) {
            for own in &trunk.hosts.list {
                let host = own.wanted(trunk.transport);
                self.hosts.insert(host.clone());
                self.resolved(&host, own.servers.as_deref().unwrap_or_default());
            }
        }
    }

    /// A host has these servers. Their certificates must be for the host as it is written, and not for whatever name its
    /// services led to (RFC 5922 §4, §7.2).
    pub(super) fn resolved(&mut self, host: &Host, servers: &[Server]) {
        if !self.hosts.contains(host) {
            return;
        }
        let name = host.name.trim_start_matches('[').trim_end_matches(']').to_owned();
        let Ok(name) = ServerName::try_from(name) else { return };
        for server in servers {
            let names = self.names.entry(server.address.ip()).or_default();
            if !names.contains(&name) {
                *names = names.iter().cloned().chain([name.clone()]).collect();
            }
        }
    }

    /// The files have changed: takes what they hold, or keeps what is in force if that is of no use.
    pub(super) fn renew(&mut self, read: io::Result<Identity>) -> Option<String> {
        match read {
            Ok(identity) => {
                self.identity = identity;
                self.reloads += 1;
                None
            }
            Err(error) => {
                self.reload_errors += 1;
                Some(error.to_string())
            }
        }
    }

    pub(super) fn counters(&self) -> [(&'static str, u64); 4] {
        [
            ("tls_handshakes", self.handshakes),
            ("tls_handshakes_failed", self.failed),
            ("tls_reloads", self.reloads),
            ("tls_reload_errors", self.reload_errors),
        ]
    }

    /// The end of the certificate in force, in seconds since 1970.
    pub(super) fn ends_at_s(&self) -> u64 {
        self.identity.ends_at_s
    }
}

#[cfg(test)]
pub(crate) mod tests;
