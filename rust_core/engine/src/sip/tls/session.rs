//! The keys of one connection: plain bytes on one side, sealed ones on the other.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use bytes::Bytes;
use rustls::client::verify_server_name;
use rustls::pki_types::ServerName;
use rustls::server::ParsedCertificate;
use rustls::{Connection, Error};

use super::fault;
use crate::sip::connection::MAX_UNSENT_BYTES;

/// A layer of TLS.
#[derive(Debug)]
pub(crate) struct Session {
    connection: Connection,
    /// What the certificate at the other end is for, if we asked for one.
    names: Arc<[ServerName<'static>]>,
    /// Bytes that wait inside for the end of the handshake.
    held_bytes: usize,
    handshake_bytes: usize,
    is_handshaking: bool,
    /// It is not who it should be: nothing more is said to it.
    is_distrusted: bool,
}

impl Session {
    pub(super) fn new(mut connection: Connection, names: Arc<[ServerName<'static>]>) -> Self {
        connection.set_buffer_limit(Some(MAX_UNSENT_BYTES));
        Self {
            connection,
            names,
            held_bytes: 0,
            handshake_bytes: 0,
            is_handshaking: true,
            is_distrusted: false,
        }
    }

    /// Whether it has yet to agree on keys and to see whose they are.
    pub(crate) fn is_handshaking(&self) -> bool {
        self.is_handshaking
    }

    /// Whether the other end has shown, or will have to show, that it is all of these.
    pub(crate) fn vouches_for(&self, names: &[ServerName<'static>]) -> bool {
        names.iter().all(|name| self.names.contains(name))
    }

    /// Bytes that wait inside for the end of the handshake.
    pub(crate) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Takes bytes to send. False when it holds too many.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        if self.connection.is_handshaking() {
            self.held_bytes += bytes.len();
        }
        self.connection.writer().write_all(bytes).is_ok()
    }

    /// What is to be sent to the peer.
    pub(crate) fn poll_transmit(&mut self) -> Option<Bytes> {
        if self.is_distrusted {
            return None;
        }
        let mut sealed = Vec::new();
        while self.connection.wants_write() && self.connection.write_tls(&mut sealed).is_ok() {}
        if !self.connection.is_handshaking() {
            self.held_bytes = 0;
        }
        (!sealed.is_empty()).then(|| sealed.into())
    }

    /// Says good-bye (RFC 8446 §6.1), so that the peer knows that nothing was cut off.
    pub(crate) fn close(&mut self) {
        self.connection.send_close_notify();
    }

    /// Takes bytes of the peer and gives the plain ones. The error says, for people, what it did wrong; it is empty when
    /// the peer says good-bye.
    pub(crate) fn handle_bytes(
        &mut self,
        mut bytes: &[u8],
        mut plain: impl FnMut(&[u8]),
    ) -> Result<(), String> {
        let mut buffer = [0; 4_096];
        while !bytes.is_empty() {
            let before = bytes.len();
            self.connection.read_tls(&mut bytes).map_err(|error| error.to_string())?;
            if self.is_handshaking {
                self.handshake_bytes += before - bytes.len();
                if self.handshake_bytes > MAX_HANDSHAKE_BYTES {
                    return Err("TLS handshake without end".to_owned());
                }
            }
            let state =
                self.connection.process_new_packets().map_err(|error| self.words_of(&error))?;
            let has_closed = state.peer_has_closed();
            if self.is_handshaking && !self.connection.is_handshaking() {
                if let Err(error) = self.check_names() {
                    self.is_distrusted = true;
                    return Err(self.words_of(&error));
                }
                self.is_handshaking = false;
            }
            while let Ok(count @ 1..) = self.connection.reader().read(&mut buffer) {
                plain(&buffer[..count]);
            }
            if has_closed {
                return Err(String::new());
            }
        }
        Ok(())
    }

    /// The handshake has looked for the first name; here are the others that trunks at this address have.
    fn check_names(&self) -> Result<(), Error> {
        let Some(certificate) = self.connection.peer_certificates().and_then(<[_]>::first) else {
            return Ok(());
        };
        let parsed = ParsedCertificate::try_from(certificate)?;
        self.names.iter().skip(1).try_for_each(|name| verify_server_name(&parsed, name))
    }

    fn words_of(&self, error: &Error) -> String {
        fault::words(error, self.names.first())
    }
}

/// A client sends two or three kilobytes, a server a chain of certificates.
const MAX_HANDSHAKE_BYTES: usize = 64 * 1024;
