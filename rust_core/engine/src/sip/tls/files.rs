//! What the operator gives: a certificate with its chain, its key, and perhaps authorities to trust.

use std::fmt::Display;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, Error, RootCertStore, ServerConfig};

use crate::options::TlsFiles;

/// What the files hold, ready for use.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// For who connects to us.
    pub(super) server: Arc<ServerConfig>,
    /// For whom we connect to: it knows whom to trust, and shows our certificate to who asks for one.
    pub(super) client: Arc<ClientConfig>,
    /// When the certificate ends, in seconds since 1970.
    pub(super) ends_at_s: u64,
}

/// Tells whether a file is what it was: device, inode, change, length.
pub(super) type Stamp = Option<(u64, u64, i64, i64, u64)>;

impl TlsFiles {
    /// Reads all of them. The error names the file and what is wrong with it, in one line. A certificate that has ended
    /// is read all the same: phones that do not use it must not go without an exchange.
    pub(crate) fn read(&self) -> io::Result<Identity> {
        let provider = Arc::new(ring::default_provider());
        let chain = certificates(&self.certificate)?;
        let ends_at_s = end_of(&provider, &chain[0])
            .ok_or_else(|| says(&self.certificate, &"holds no certificate that can be read"))?;
        let key = || {
            PrivateKeyDer::from_pem_slice(&bytes(&self.key)?)
                .map_err(|_| says(&self.key, &"holds no private key in PEM form"))
        };
        let misfit = |error: Error| {
            let why = match error {
                Error::InconsistentKeys(_) => "is not that of".to_owned(),
                other => format!("cannot be used ({other}) with"),
            };
            says(&self.key, &format!("{why} the certificate {}", self.certificate.display()))
        };
        let mut server = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(chain.clone(), key()?)
            .map_err(misfit)?;
        // A phone keeps its connection, and after a restart of ours a ticket is worth nothing; there are peers that take
        // the first record after the handshake for an answer.
        server.send_tls13_tickets = 0;
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(self.roots()?)
            .with_client_auth_cert(chain, key()?)
            .map_err(misfit)?;
        Ok(Identity { server: Arc::new(server), client: Arc::new(client), ends_at_s })
    }

    /// Whom we trust. A system without authorities trusts nobody: each connection to a trunk then fails by itself.
    fn roots(&self) -> io::Result<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = &self.authorities {
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| says(path, &error))?;
            }
        }
        Ok(roots)
    }

    pub(super) fn stamps(&self) -> [Stamp; 3] {
        let stamp = |path: &Path| {
            let data = std::fs::metadata(path).ok()?;
            Some((data.dev(), data.ino(), data.mtime(), data.mtime_nsec(), data.len()))
        };
        let authorities = self.authorities.as_deref().and_then(stamp);
        [stamp(&self.certificate), stamp(&self.key), authorities]
    }
}

/// At least one.
fn certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let all: Vec<_> = CertificateDer::pem_slice_iter(&bytes(path)?)
        .collect::<Result<_, _>>()
        .map_err(|error| says(path, &error))?;
    if all.is_empty() {
        return Err(says(path, &"holds no certificate in PEM form"));
    }
    Ok(all)
}

/// The end of a certificate, in seconds since 1970: the verifier is asked at the end of all time, and says since when it
/// is too late. `None` for one that it cannot read.
fn end_of(provider: &Arc<CryptoProvider>, certificate: &CertificateDer<'static>) -> Option<u64> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).ok()?;
    let verifier =
        WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone()).build().ok()?;
    let anybody = ServerName::try_from("invalid").ok()?;
    let never = UnixTime::since_unix_epoch(Duration::MAX);
    match verifier.verify_server_cert(certificate, &[], &anybody, &[], never) {
        Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            Some(not_after.as_secs())
        }
        _ => None,
    }
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| says(path, &error))
}

fn says(path: &Path, why: &dyn Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{}: {why}", path.display()))
}
