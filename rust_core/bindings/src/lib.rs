//! The Python module: conversions, no logic. `orchestrator/_rust_core.pyi` documents every name.

mod engine;
mod events;
mod tables;

use pyo3::prelude::*;
use tandem_engine::auth::{self, Algorithm};

/// Hex of H(username:realm:password) (RFC 7616 §3.4.2).
#[pyfunction]
#[pyo3(signature = (username, realm, password, algorithm = "MD5"))]
fn ha1(username: &str, realm: &str, password: &str, algorithm: &str) -> PyResult<String> {
    let algorithm =
        Algorithm::parse(Some(algorithm)).ok_or_else(|| tables::bad("algorithm", algorithm))?;
    Ok(auth::ha1(username, realm, password, algorithm))
}

#[pymodule(gil_used = false)]
mod _rust_core {
    #[pymodule_export]
    use super::engine::Engine;
    #[pymodule_export]
    use super::events::{
        BanLifted, Binding, CertificateRead, IncomingCall, KeyPressed, LegAnswered, LegEnded,
        LegHeardEarly, LegRinging, MalformedMessages, MediaReport, PlaybackEnded, RecordingEnded,
        RegistrationChanged, RegistrationsRefreshed, ServerTried, SipMessage, SourceBanned,
        TransferAsked, TrunkServer, TrunkStateChanged, WrongPasswords,
    };
    #[pymodule_export]
    use super::ha1;
    #[pymodule_export]
    use super::tables::{
        Account, Prompt, RestoredBan, RestoredBinding, Silence, Tone, Trunk, TrunkHost,
    };

    #[pymodule_export]
    const FIRST_DIALLED_LEG: u64 = tandem_engine::endpoint::FIRST_DIALLED_LEG;
}
