//! What Python gets: events.

use pyo3::IntoPyObjectExt as _;
use pyo3::prelude::*;
use tandem_engine::{Event, LegEnded as End, MediaReport as Report, TracedMessage, What, endpoint};

macro_rules! event {
    ($name:ident { $($field:ident: $type:ty),+ $(,)? }) => {
        /// See the stub.
        #[pyclass(frozen, get_all, module = "orchestrator._rust_core")]
        pub(crate) struct $name { $($field: $type),+ }

        #[pymethods]
        impl $name {
            fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
                let mut fields = Vec::new();
                $(fields.push(format!("{}={}", stringify!($field), (&self.$field).into_bound_py_any(py)?.repr()?));)+
                Ok(format!("{}({})", stringify!($name), fields.join(", ")))
            }
        }
    };
}

event!(Binding {
    id: u64,
    contact: String,
    source: String,
    transport: &'static str,
    user_agent: String,
    expires_in_s: f64,
    call_id: String,
    cseq: u32,
    path: Vec<String>,
    instance: Option<String>,
});
event!(MediaReport {
    codec: String,
    packets_received: u64,
    packets_sent: u64,
    packets_lost: u64,
    packets_discarded: u64,
    loss_percent: f64,
    jitter_ms: f64,
    jitter_max_ms: f64,
    round_trip_ms: Option<f64>,
    mos: Option<f64>,
});
event!(IncomingCall {
    leg: u64,
    at_ns: u64,
    company: String,
    device: Option<String>,
    trunk: Option<String>,
    caller_number: String,
    caller_name: String,
    hidden: bool,
    diverted: Option<(String, String, u32)>,
    called: String,
    call_id: String,
    codecs: Vec<String>,
    instead_of: Option<u64>,
});
event!(LegRinging { leg: u64, at_ns: u64 });
event!(LegHeardEarly { leg: u64, at_ns: u64, listener: u64 });
event!(LegAnswered { leg: u64, at_ns: u64 });
event!(TransferAsked { leg: u64, at_ns: u64, to: String, instead_of: Option<u64> });
event!(LegEnded {
    leg: u64,
    at_ns: u64,
    status: u16,
    by: &'static str,
    reason: String,
    moved_to: String,
    answered_at_ns: Option<u64>,
    media: Option<Py<MediaReport>>,
});
event!(KeyPressed { leg: u64, at_ns: u64, key: String });
event!(PlaybackEnded { leg: u64, at_ns: u64, prompt: String, played_ms: u64 });
event!(RecordingEnded { leg: u64, path: String, recorded_ms: u64, error: Option<String> });
event!(RegistrationsRefreshed { at_ns: u64, bindings: Vec<(u64, f64)> });
event!(RegistrationChanged {
    at_ns: u64,
    company: String,
    device: String,
    bindings: Vec<Py<Binding>>,
    why: &'static str,
});
event!(WrongPasswords { at_ns: u64, source: String, count: u64, account: String });
event!(MalformedMessages { at_ns: u64, source: String, count: u64, last: String });
event!(SourceBanned {
    at_ns: u64,
    source: String,
    why: &'static str,
    lasts_s: f64,
    times: u32,
    account: String,
});
event!(BanLifted { at_ns: u64, source: String });
event!(CertificateRead { at_ns: u64, ends_at_s: u64, fault: Option<String> });
event!(ServerTried {
    leg: u64,
    at_ns: u64,
    server: String,
    status: u16,
    reason: String,
    next: Option<String>,
});
event!(TrunkServer {
    host: String,
    address: Option<String>,
    standing: &'static str,
    is_home: bool,
    status: u16,
    reason: String,
});
event!(TrunkStateChanged {
    at_ns: u64,
    company: String,
    trunk: String,
    registers: bool,
    registered: bool,
    status: u16,
    reason: String,
    servers: Vec<Py<TrunkServer>>,
});

event!(SipMessage {
    leg: u64,
    age_s: f64,
    received: bool,
    transport: String,
    local: String,
    remote: String,
    repeated: bool,
    text: String,
});

/// An event as its class.
pub(crate) fn to_python(py: Python<'_>, Event { at_ns, what }: Event) -> PyResult<Py<PyAny>> {
    Ok(match what {
        What::IncomingCall(call) => Py::new(py, incoming(at_ns, *call))?.into_any(),
        What::LegRinging { leg } => Py::new(py, LegRinging { leg, at_ns })?.into_any(),
        What::LegHeardEarly { leg, listener } => {
            Py::new(py, LegHeardEarly { leg, at_ns, listener })?.into_any()
        }
        What::LegAnswered { leg } => Py::new(py, LegAnswered { leg, at_ns })?.into_any(),
        What::TransferAsked { leg, to, instead_of } => {
            Py::new(py, TransferAsked { leg, at_ns, to, instead_of })?.into_any()
        }
        What::LegEnded(end) => {
            let End { leg, status, by, reason, moved_to, answered_at_ns, media } = *end;
            let media = media.map(|report| Py::new(py, media_report(report))).transpose()?;
            Py::new(
                py,
                LegEnded { leg, at_ns, status, by, reason, moved_to, answered_at_ns, media },
            )?
            .into_any()
        }
        What::KeyPressed { leg, key } => {
            Py::new(py, KeyPressed { leg, at_ns, key: key.to_string() })?.into_any()
        }
        What::PlaybackEnded { leg, prompt, played_ms } => {
            Py::new(py, PlaybackEnded { leg, at_ns, prompt, played_ms })?.into_any()
        }
        What::RecordingEnded { leg, path, recorded_ms, error } => {
            Py::new(py, RecordingEnded { leg, path, recorded_ms, error })?.into_any()
        }
        What::RegistrationChanged { company, device, bindings, why } => {
            let bindings =
                bindings.into_iter().map(|b| Py::new(py, binding(b))).collect::<PyResult<_>>()?;
            Py::new(py, RegistrationChanged { at_ns, company, device, bindings, why })?.into_any()
        }
        What::RegistrationsRefreshed { bindings } => {
            let bindings =
                bindings.into_iter().map(|(id, left)| (id, left.as_secs_f64())).collect();
            Py::new(py, RegistrationsRefreshed { at_ns, bindings })?.into_any()
        }
        What::WrongPasswords { source, count, account } => {
            Py::new(py, WrongPasswords { at_ns, source, count, account })?.into_any()
        }
        What::MalformedMessages { source, count, last } => {
            Py::new(py, MalformedMessages { at_ns, source, count, last })?.into_any()
        }
        What::SourceBanned { source, why, lasts_s, times, account } => {
            Py::new(py, SourceBanned { at_ns, source, why, lasts_s, times, account })?.into_any()
        }
        What::BanLifted { source } => Py::new(py, BanLifted { at_ns, source })?.into_any(),
        What::CertificateRead { ends_at_s, fault } => {
            Py::new(py, CertificateRead { at_ns, ends_at_s, fault })?.into_any()
        }
        What::ServerTried { leg, tried } => {
            let endpoint::Tried { server, status, reason, next } = *tried;
            Py::new(py, ServerTried { leg, at_ns, server, status, reason, next })?.into_any()
        }
        What::TrunkStateChanged(state) => Py::new(py, trunk_state(py, at_ns, *state)?)?.into_any(),
    })
}

fn incoming(at_ns: u64, call: endpoint::Incoming) -> IncomingCall {
    IncomingCall {
        leg: call.leg.0,
        at_ns,
        company: call.company,
        device: call.device,
        trunk: call.trunk,
        caller_number: call.caller.number,
        caller_name: call.caller.name,
        hidden: call.caller.is_hidden,
        diverted: call.caller.diverted.map(|d| *d).map(|d| (d.number, d.reason, d.count)),
        called: call.called,
        call_id: call.call_id,
        codecs: call.codecs,
        instead_of: call.instead_of.map(|leg| leg.0),
    }
}

fn binding(binding: endpoint::Binding) -> Binding {
    Binding {
        id: binding.id,
        contact: binding.contact,
        source: binding.source.to_string(),
        transport: match binding.transport {
            endpoint::Transport::Udp => "udp",
            endpoint::Transport::Tcp => "tcp",
            endpoint::Transport::Tls => "tls",
            endpoint::Transport::Ws => "ws",
            endpoint::Transport::Wss => "wss",
        },
        user_agent: binding.user_agent,
        expires_in_s: binding.expires_in.as_secs_f64(),
        call_id: binding.call_id,
        cseq: binding.cseq,
        path: binding.path,
        instance: binding.instance,
    }
}

fn trunk_state(
    py: Python<'_>,
    at_ns: u64,
    state: endpoint::TrunkState,
) -> PyResult<TrunkStateChanged> {
    let endpoint::TrunkState { company, trunk, registers, registered, status, reason, servers } =
        state;
    let server = |server: endpoint::ServerState| {
        let address = server.address.map(|address| address.to_string());
        let endpoint::ServerState { host, standing, is_home, status, reason, .. } = server;
        let standing = standing.as_str();
        Py::new(py, TrunkServer { host, address, standing, is_home, status, reason })
    };
    let servers = servers.into_iter().map(server).collect::<PyResult<_>>()?;
    Ok(TrunkStateChanged { at_ns, company, trunk, registers, registered, status, reason, servers })
}

fn media_report(report: Report) -> MediaReport {
    MediaReport {
        codec: report.codec,
        packets_received: report.packets_received,
        packets_sent: report.packets_sent,
        packets_lost: report.packets_lost,
        packets_discarded: report.packets_discarded,
        loss_percent: report.loss_percent,
        jitter_ms: report.jitter_ms,
        jitter_max_ms: report.jitter_max_ms,
        round_trip_ms: report.round_trip_ms,
        mos: report.mos,
    }
}

/// A message of a leg. What is no UTF-8 becomes U+FFFD.
pub(crate) fn sip_message(message: TracedMessage) -> SipMessage {
    SipMessage {
        leg: message.leg,
        age_s: message.age.as_secs_f64(),
        received: message.is_received,
        transport: message.transport.as_str().to_lowercase(),
        local: message.local.to_string(),
        remote: message.peer.to_string(),
        repeated: message.is_repeated,
        text: String::from_utf8_lossy(&message.bytes).into_owned(),
    }
}
