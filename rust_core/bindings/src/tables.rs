//! What Python gives: accounts, trunks, bindings, sources.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use tandem_engine::auth::{Credentials, Secrets};
use tandem_engine::endpoint::{self, Transport};

/// A ValueError that names the argument.
pub(crate) fn bad(name: &str, value: impl std::fmt::Debug) -> PyErr {
    PyValueError::new_err(format!("{name}: {value:?} is not understood"))
}

/// Seconds that a timer can take.
pub(crate) fn seconds(name: &str, value: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(value).map_err(|_| bad(name, value))
}

pub(crate) fn transport(name: &str) -> PyResult<Transport> {
    Transport::parse(name).ok_or_else(|| bad("transport", name))
}

/// Of somebody whom we can connect to: nobody is reached by WebSocket who has not come.
fn transport_to_peer(name: &str) -> PyResult<Transport> {
    let transport = transport(name)?;
    if transport.is_web_socket() { Err(bad("transport", name)) } else { Ok(transport) }
}

/// See the stub.
#[pyclass(frozen, from_py_object, module = "orchestrator._rust_core")]
#[derive(Clone)]
pub(crate) struct Account(pub(crate) endpoint::Account);

#[pymethods]
impl Account {
    #[new]
    #[pyo3(signature = (*, company, device, username, realm, ha1_md5, ha1_sha256 = None, max_bindings = 5))]
    fn new(
        company: String,
        device: String,
        username: String,
        realm: String,
        ha1_md5: String,
        ha1_sha256: Option<String>,
        max_bindings: usize,
    ) -> Self {
        let secrets = Secrets { ha1_md5, ha1_sha256 };
        Self(endpoint::Account { company, device, username, realm, secrets, max_bindings })
    }
}

/// See the stub.
#[pyclass(frozen, from_py_object, module = "orchestrator._rust_core")]
#[derive(Clone)]
pub(crate) struct TrunkHost(endpoint::TrunkHost);

#[pymethods]
impl TrunkHost {
    #[new]
    #[pyo3(signature = (host, port = None, *, priority = 0, weight = 0))]
    fn new(host: String, port: Option<u16>, priority: u16, weight: u16) -> Self {
        Self(endpoint::TrunkHost { host, port, priority, weight, servers: None })
    }
}

/// See the stub.
#[pyclass(frozen, from_py_object, module = "orchestrator._rust_core")]
#[derive(Clone)]
pub(crate) struct Trunk(pub(crate) endpoint::Trunk);

#[pymethods]
impl Trunk {
    #[new]
    #[pyo3(signature = (*, company, id, hosts, failover_s = 4.0, health_s = None, transport = "udp",
        sources = Vec::new(), username = None, realm = None, ha1_md5 = None, ha1_sha256 = None, domain = None,
        register = false, expires_s = 300, contact_user = None, max_calls = None, early_media = true,
        identity = "from", trusted = true, codecs = Vec::new(),
        forwarding = "none"))]
    #[expect(clippy::too_many_arguments, reason = "keywords in Python")]
    fn new(
        company: String,
        id: String,
        hosts: Vec<TrunkHost>,
        failover_s: f64,
        health_s: Option<f64>,
        transport: &str,
        sources: Vec<String>,
        username: Option<String>,
        realm: Option<String>,
        ha1_md5: Option<String>,
        ha1_sha256: Option<String>,
        domain: Option<String>,
        register: bool,
        expires_s: u64,
        contact_user: Option<String>,
        max_calls: Option<usize>,
        early_media: bool,
        identity: &str,
        trusted: bool,
        codecs: Vec<String>,
        forwarding: &str,
    ) -> PyResult<Self> {
        let contact_user = contact_user.or_else(|| username.clone()).unwrap_or_else(|| id.clone());
        let credentials = match (username, realm, ha1_md5) {
            (Some(username), Some(realm), Some(ha1_md5)) => {
                Some(Credentials { username, realm, secrets: Secrets { ha1_md5, ha1_sha256 } })
            }
            _ => None,
        };
        let list: Vec<_> = hosts.into_iter().map(|host| host.0).collect();
        let Some(first) = list.first().map(|first| first.host.clone()) else {
            return Err(PyValueError::new_err("hosts: name at least one"));
        };
        Ok(Self(endpoint::Trunk {
            company,
            id,
            domain: domain.unwrap_or(first),
            hosts: endpoint::TrunkHosts {
                list,
                patience: seconds("failover_s", failover_s)?,
                health: health_s.map(|health_s| seconds("health_s", health_s)).transpose()?,
            },
            transport: transport_to_peer(transport)?,
            sources: sources
                .iter()
                .map(|source| network("sources", source))
                .collect::<PyResult<_>>()?,
            credentials,
            register,
            expires: Duration::from_secs(expires_s),
            contact_user,
            max_calls,
            early_media,
            profile: endpoint::Profile {
                identity: endpoint::Identity::parse(identity)
                    .ok_or_else(|| bad("identity", identity))?,
                is_trusted: trusted,
                codecs,
                forwarding: endpoint::Forwarding::parse(forwarding)
                    .ok_or_else(|| bad("forwarding", forwarding))?,
            },
        }))
    }
}

/// "192.0.2.7" or "192.0.2.0/24"; the error names the argument.
pub(crate) fn network(name: &str, text: &str) -> PyResult<(IpAddr, u8)> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length.parse().map_err(|_| bad(name, text))?)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| bad(name, text))?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let length = length.unwrap_or(width);
    if length > width {
        return Err(bad(name, text));
    }
    Ok((address, length))
}

/// See the stub.
#[pyclass(frozen, from_py_object, module = "orchestrator._rust_core")]
#[derive(Clone)]
pub(crate) struct RestoredBinding(pub(crate) endpoint::RestoredBinding);

#[pymethods]
impl RestoredBinding {
    #[new]
    #[pyo3(signature = (*, company, device, contact, source, transport, expires_in_s, call_id, cseq,
        user_agent = "", path = Vec::new(), instance = None))]
    #[expect(clippy::too_many_arguments, reason = "keywords in Python")]
    fn new(
        company: String,
        device: String,
        contact: String,
        source: &str,
        transport: &str,
        expires_in_s: f64,
        call_id: String,
        cseq: u32,
        user_agent: &str,
        path: Vec<String>,
        instance: Option<String>,
    ) -> PyResult<Self> {
        let source: SocketAddr = source.parse().map_err(|_| bad("source", source))?;
        let transport = self::transport(transport)?;
        let expires_in = seconds("expires_in_s", expires_in_s)?;
        Ok(Self(endpoint::RestoredBinding {
            company,
            device,
            contact,
            source,
            transport,
            expires_in,
            call_id,
            cseq,
            user_agent: user_agent.to_owned(),
            path,
            instance,
        }))
    }
}

/// See the stub.
#[pyclass(frozen, from_py_object, module = "orchestrator._rust_core")]
#[derive(Clone)]
pub(crate) struct RestoredBan(pub(crate) endpoint::RestoredBan);

#[pymethods]
impl RestoredBan {
    #[new]
    #[pyo3(signature = (*, source, left_s, forgotten_in_s, times))]
    fn new(source: &str, left_s: f64, forgotten_in_s: f64, times: u32) -> PyResult<Self> {
        Ok(Self(endpoint::RestoredBan {
            source: source.parse().map_err(|_| bad("source", source))?,
            left: seconds("left_s", left_s)?,
            forgotten_in: seconds("forgotten_in_s", forgotten_in_s)?,
            times,
        }))
    }
}

/// See the stub.
#[pyclass(frozen, module = "orchestrator._rust_core")]
pub(crate) struct Prompt {
    pub(crate) name: String,
    pub(crate) repeated: bool,
}

#[pymethods]
impl Prompt {
    #[new]
    #[pyo3(signature = (name, *, r#loop = false))]
    fn new(name: String, r#loop: bool) -> Self {
        Self { name, repeated: r#loop }
    }
}

/// See the stub.
#[pyclass(frozen, module = "orchestrator._rust_core")]
pub(crate) struct Tone {
    pub(crate) hz: f64,
    pub(crate) level_db: f64,
}

#[pymethods]
impl Tone {
    #[new]
    #[pyo3(signature = (hz, *, level_db = -12.0))]
    fn new(hz: f64, level_db: f64) -> PyResult<Self> {
        if !(50.0..=3400.0).contains(&hz) {
            return Err(bad("hz", hz));
        }
        if !(-60.0..=0.0).contains(&level_db) {
            return Err(bad("level_db", level_db));
        }
        Ok(Self { hz, level_db })
    }
}

/// See the stub.
#[pyclass(frozen, module = "orchestrator._rust_core")]
pub(crate) struct Silence;

#[pymethods]
impl Silence {
    #[new]
    fn new() -> Self {
        Self
    }
}
