//! The engine, as Python commands it.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use tandem_engine::endpoint::{
    Accounts, CallerId, Diverted, EMERGENCY_LEGS, LegId, Target, Transport,
};
use tandem_engine::media::pairs_in;
use tandem_engine::websocket::Origins;
use tandem_engine::{BanTimes, Command, Hep, Options, Source, TlsFiles};

use crate::events::{SipMessage, sip_message, to_python};
use crate::tables::{
    Account, Prompt, RestoredBan, RestoredBinding, Silence, Tone, Trunk, bad, network, seconds,
    transport,
};

/// See the stub.
#[pyclass(frozen, module = "orchestrator._rust_core")]
pub(crate) struct Engine(tandem_engine::Engine);

#[pymethods]
impl Engine {
    #[new]
    #[pyo3(signature = (*, sip_listen, default_realm, media_address, media_ports = (16384, 32767),
        advertised_address = None, tls_certificate = None, tls_key = None, tls_authorities = None,
        ws_origins = Vec::new(), media_threads = 1, max_legs = None, max_requests_of_source = 10_000,
        ban_s = (300, 86_400), never_banned = Vec::new(), max_undecided_age_s = 0.5,
        decision_timeout_s = 3.0, media_timeout_s = 60.0,
        registration_expires_s = (60, 3600), event_queue = 65_536, sip_trace_calls = 0, hep = None, hep_id = 1,
        hep_password = None, user_agent = "Tandem", only_playable = false, name_servers = Vec::new(), secret = None,
        seed = None))]
    #[expect(clippy::too_many_arguments, reason = "keywords in Python")]
    fn new(
        py: Python<'_>,
        sip_listen: Vec<String>,
        default_realm: String,
        media_address: &str,
        media_ports: (u16, u16),
        advertised_address: Option<&str>,
        tls_certificate: Option<PathBuf>,
        tls_key: Option<PathBuf>,
        tls_authorities: Option<PathBuf>,
        ws_origins: Vec<String>,
        media_threads: usize,
        max_legs: Option<usize>,
        max_requests_of_source: usize,
        ban_s: (u64, u64),
        never_banned: Vec<String>,
        max_undecided_age_s: f64,
        decision_timeout_s: f64,
        media_timeout_s: f64,
        registration_expires_s: (u64, u64),
        event_queue: usize,
        sip_trace_calls: usize,
        hep: Option<&str>,
        hep_id: u32,
        hep_password: Option<String>,
        user_agent: &str,
        only_playable: bool,
        name_servers: Vec<String>,
        secret: Option<[u8; 32]>,
        seed: Option<u64>,
    ) -> PyResult<Self> {
        if sip_listen.is_empty() {
            return Err(PyValueError::new_err("sip_listen: name at least one address"));
        }
        if media_ports.0 == 0 || media_ports.1 <= media_ports.0 {
            return Err(bad("media_ports", media_ports));
        }
        if max_requests_of_source == 0 {
            return Err(bad("max_requests_of_source", max_requests_of_source));
        }
        if ban_s.0 == 0 || ban_s.0 > ban_s.1 || ban_s.1 > MAX_BAN_S {
            return Err(bad("ban_s", ban_s));
        }
        if registration_expires_s.0 > registration_expires_s.1 || registration_expires_s.1 == 0 {
            return Err(bad("registration_expires_s", registration_expires_s));
        }
        let sip_listen =
            sip_listen.iter().map(|text| listen(text)).collect::<PyResult<Vec<_>>>()?;
        let files = tls_certificate.zip(tls_key);
        if files.is_none() && sip_listen.iter().any(|(transport, _)| transport.is_secure()) {
            let text = "sip_listen: tls and wss need tls_certificate and tls_key";
            return Err(PyValueError::new_err(text));
        }
        let tls = files.map(|(certificate, key)| TlsFiles {
            certificate,
            key,
            authorities: tls_authorities,
        });
        let ws_origins = Origins::parse(ws_origins.iter().map(String::as_str))
            .map_err(|why| PyValueError::new_err(format!("ws_origins: {why}")))?;
        let whole = |s: u64| std::time::Duration::from_secs(s);
        let options = Options {
            sip_listen,
            tls,
            ws_origins,
            default_realm,
            media_address: address("media_address", media_address)?,
            media_ports,
            advertised_address: advertised_address
                .map(|a| address("advertised_address", a))
                .transpose()?,
            media_threads: media_threads.clamp(1, 64),
            max_legs: legs_within(max_legs, media_ports)?,
            max_requests_of_source,
            ban_times: BanTimes { first: whole(ban_s.0), longest: whole(ban_s.1) },
            never_banned: never_banned
                .iter()
                .map(|text| network("never_banned", text))
                .collect::<PyResult<_>>()?,
            max_undecided_age: seconds("max_undecided_age_s", max_undecided_age_s)?,
            decision_timeout: seconds("decision_timeout_s", decision_timeout_s)?,
            media_timeout: seconds("media_timeout_s", media_timeout_s)?,
            registration_expires: (
                whole(registration_expires_s.0),
                whole(registration_expires_s.1),
            ),
            event_queue,
            sip_trace_calls,
            hep: hep.map(|text| self::hep(text, hep_id, hep_password)).transpose()?,
            user_agent: user_agent.to_owned(),
            only_playable,
            name_servers: name_servers
                .iter()
                .map(|text| name_server(text))
                .collect::<PyResult<_>>()?,
            secret,
            seed,
        };
        // `io::Error` becomes the fitting subclass of OSError with its text kept.
        Ok(Self(py.detach(|| tandem_engine::Engine::start(options))?))
    }

    fn event_fd(&self) -> i32 {
        self.0.event_fd()
    }

    fn drain_events(&self, py: Python<'_>, limit: usize) -> PyResult<Vec<Py<PyAny>>> {
        self.0.drain(limit).into_iter().map(|event| to_python(py, event)).collect()
    }

    fn listening(&self) -> Vec<String> {
        let text = |(transport, address): &(Transport, SocketAddr)| {
            format!("{}:{address}", transport.as_str().to_lowercase())
        };
        self.0.listening().iter().map(text).collect()
    }

    #[pyo3(signature = (accounts, *, emergency_numbers = HashMap::new()))]
    fn set_accounts(
        &self,
        py: Python<'_>,
        accounts: Vec<Account>,
        emergency_numbers: HashMap<String, Vec<String>>,
    ) {
        py.detach(|| {
            let accounts: Vec<_> = accounts.into_iter().map(|account| account.0).collect();
            let accounts = Accounts::from(accounts).with_emergency_numbers(emergency_numbers);
            self.0.command(Command::SetAccounts(Arc::new(accounts)));
        });
    }

    fn set_trunks(&self, trunks: Vec<Trunk>) {
        self.0.command(Command::SetTrunks(trunks.into_iter().map(|trunk| trunk.0).collect()));
    }

    fn restore_bindings(&self, bindings: Vec<RestoredBinding>) {
        self.0.command(Command::RestoreBindings(
            bindings.into_iter().map(|binding| binding.0).collect(),
        ));
    }

    fn restore_bans(&self, bans: Vec<RestoredBan>) {
        self.0.command(Command::RestoreBans(bans.into_iter().map(|ban| ban.0).collect()));
    }

    fn lift_ban(&self, source: &str) -> PyResult<()> {
        self.0.command(Command::LiftBan(address("source", source)?));
        Ok(())
    }

    fn set_prompt(&self, name: String, samples: &[u8]) -> PyResult<()> {
        let (pairs, rest) = samples.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(PyValueError::new_err(
                "samples: an odd number of bytes is no 16-bit sound",
            ));
        }
        let samples = pairs.iter().map(|&pair| i16::from_le_bytes(pair)).collect();
        self.0.command(Command::SetPrompt { name, samples });
        Ok(())
    }

    fn ring(&self, leg: u64) {
        self.0.command(Command::Ring(LegId(leg)));
    }

    #[pyo3(signature = (leg, *, like = None))]
    fn answer(&self, leg: u64, like: Option<u64>) {
        self.0.command(Command::Answer { leg: LegId(leg), like: like.map(LegId) });
    }

    #[pyo3(signature = (leg, status, reason = "", *, retry_after_s = None))]
    fn reject(
        &self,
        leg: u64,
        status: u16,
        reason: &str,
        retry_after_s: Option<u32>,
    ) -> PyResult<()> {
        if !(300..700).contains(&status) {
            return Err(bad("status", status));
        }
        self.0.command(Command::Reject {
            leg: LegId(leg),
            status,
            reason: reason.to_owned(),
            retry_after_s,
        });
        Ok(())
    }

    #[pyo3(signature = (leg, binding, *, caller_number, caller_name = "", offer_of = None))]
    fn dial_binding(
        &self,
        leg: u64,
        binding: u64,
        caller_number: String,
        caller_name: &str,
        offer_of: Option<u64>,
    ) -> PyResult<()> {
        self.dial(
            leg,
            Target::Binding(binding),
            CallerId { number: caller_number, name: caller_name.to_owned(), ..CallerId::default() },
            offer_of,
        )
    }

    #[pyo3(signature = (leg, company, trunk, number, *, caller_number, caller_name = "", hidden = false, diverted = None, offer_of = None))]
    #[expect(clippy::too_many_arguments, reason = "keywords in Python")]
    fn dial_trunk(
        &self,
        leg: u64,
        company: String,
        trunk: String,
        number: String,
        caller_number: String,
        caller_name: &str,
        hidden: bool,
        diverted: Option<(String, String, u32)>,
        offer_of: Option<u64>,
    ) -> PyResult<()> {
        let target = Target::Trunk { company, trunk, number };
        self.dial(
            leg,
            target,
            CallerId {
                number: caller_number,
                name: caller_name.to_owned(),
                is_hidden: hidden,
                diverted: diverted
                    .map(|(number, reason, count)| Box::new(Diverted { number, reason, count })),
            },
            offer_of,
        )
    }

    #[pyo3(signature = (leg, status = 480, reason = ""))]
    fn hang_up(&self, leg: u64, status: u16, reason: &str) {
        self.0.command(Command::HangUp { leg: LegId(leg), status, reason: reason.to_owned() });
    }

    fn tell_transfer(&self, leg: u64, status: u16) -> PyResult<()> {
        if !(100..700).contains(&status) {
            return Err(bad("status", status));
        }
        self.0.command(Command::TellTransfer { leg: LegId(leg), status });
        Ok(())
    }

    fn hears(&self, leg: u64, sources: Vec<Bound<'_, PyAny>>) -> PyResult<()> {
        let source = match sources.as_slice() {
            [] => Source::Nothing,
            [one] => source(one)?,
            _ => return Err(PyValueError::new_err("sources: mixing several needs the media core")),
        };
        self.0.command(Command::Hears { leg: LegId(leg), source });
        Ok(())
    }

    #[pyo3(signature = (leg, keys, *, press_ms = 160))]
    fn send_keys(&self, leg: u64, keys: String, press_ms: u64) -> PyResult<()> {
        if keys.is_empty()
            || keys.len() > 64
            || !keys.chars().all(|key| "0123456789*#ABCD".contains(key))
        {
            return Err(bad("keys", keys));
        }
        if !(40..=2000).contains(&press_ms) {
            return Err(bad("press_ms", press_ms));
        }
        let press = std::time::Duration::from_millis(press_ms);
        self.0.command(Command::SendKeys { leg: LegId(leg), keys, press });
        Ok(())
    }

    #[pyo3(signature = (leg, path, *, max_s = 3600.0))]
    fn record(&self, leg: u64, path: String, max_s: f64) -> PyResult<()> {
        self.0.command(Command::Record { leg: LegId(leg), path, max: seconds("max_s", max_s)? });
        Ok(())
    }

    fn stop_recording(&self, leg: u64) {
        self.0.command(Command::StopRecording(LegId(leg)));
    }

    fn sip_messages(&self, py: Python<'_>, legs: Vec<u64>) -> (Vec<SipMessage>, u64) {
        py.detach(|| {
            let (messages, left_out) = self.0.sip_messages(&legs);
            (messages.into_iter().map(sip_message).collect(), left_out)
        })
    }

    fn counters(&self) -> HashMap<String, u64> {
        self.0.counters().into_iter().collect()
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.0.close());
    }
}

impl Engine {
    fn dial(
        &self,
        leg: u64,
        target: Target,
        caller: CallerId,
        offer_of: Option<u64>,
    ) -> PyResult<()> {
        if leg < tandem_engine::endpoint::FIRST_DIALLED_LEG {
            return Err(bad("leg", leg));
        }
        self.0.command(Command::Dial {
            leg: LegId(leg),
            target,
            caller,
            offer_of: offer_of.map(LegId),
        });
        Ok(())
    }
}

/// A year: a source that is banned for longer is the firewall's.
const MAX_BAN_S: u64 = 366 * 86_400;

/// As many legs as asked for, or as there are ports for beside those of emergency calls.
fn legs_within(asked: Option<usize>, ports: (u16, u16)) -> PyResult<usize> {
    let pairs = pairs_in(ports);
    let room = pairs.saturating_sub(EMERGENCY_LEGS);
    let legs = asked.unwrap_or(room.max(2));
    if (2..=room).contains(&legs) {
        return Ok(legs);
    }
    Err(PyValueError::new_err(format!(
        "max_legs, media_ports: {legs} legs (2 a call) and {EMERGENCY_LEGS} for emergency calls do not fit into the \
         {pairs} port pairs of {}-{}",
        ports.0, ports.1
    )))
}

fn source(given: &Bound<'_, PyAny>) -> PyResult<Source> {
    if let Ok(leg) = given.extract::<u64>() {
        return Ok(Source::Leg(LegId(leg)));
    }
    if let Ok(prompt) = given.cast::<Prompt>() {
        let prompt = prompt.get();
        return Ok(Source::Prompt { name: prompt.name.clone(), repeated: prompt.repeated });
    }
    if let Ok(tone) = given.cast::<Tone>() {
        return Ok(Source::Tone { hz: tone.get().hz, level_db: tone.get().level_db });
    }
    given.cast::<Silence>().map(|_| Source::Silence).map_err(|_| bad("sources", given))
}

/// "udp:127.0.0.1:5060"
fn listen(text: &str) -> PyResult<(Transport, SocketAddr)> {
    let (name, address) = text.split_once(':').ok_or_else(|| bad("sip_listen", text))?;
    Ok((transport(name)?, address.parse().map_err(|_| bad("sip_listen", text))?))
}

/// "udp:192.0.2.7:9060"
fn hep(text: &str, id: u32, password: Option<String>) -> PyResult<Hep> {
    let address = text.strip_prefix("udp:").and_then(|address| address.parse().ok());
    let is_long = password.as_ref().is_some_and(|password| password.len() > 256);
    match address {
        Some(collector) if !is_long => Ok(Hep { collector, id, password }),
        Some(_) => Err(PyValueError::new_err("hep_password: longer than 256 bytes")),
        None => Err(bad("hep", text)),
    }
}

fn address(name: &str, text: &str) -> PyResult<IpAddr> {
    text.parse().map_err(|_| bad(name, text))
}

/// "192.0.2.53" or "192.0.2.53:5353".
fn name_server(text: &str) -> PyResult<SocketAddr> {
    let address = text.parse().map(|ip: IpAddr| SocketAddr::new(ip, 53));
    address.or_else(|_| text.parse()).map_err(|_| bad("name_servers", text))
}
