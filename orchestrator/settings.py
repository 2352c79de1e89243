"""What an operator decides when starting the exchange: from flags, or from TANDEM_* in the environment."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

from attrs import field, fields, frozen

from orchestrator.model.errors import ConfigError, Problem


@frozen
class Settings:
    """All settings of one node. Addresses are as the engine takes them: "udp:0.0.0.0:5060", "tcp:[::]:5060",
    "tls:0.0.0.0:5061", "ws:127.0.0.1:8088", "wss:0.0.0.0:7443"."""

    data_dir: Path = field(default=Path("data"), converter=Path)
    """Database, keys, own prompts."""
    database_url: str | None = None
    """"sqlite:///path"; None: tandem.db in `data_dir`."""
    sip_listen: tuple[str, ...] = ("udp:0.0.0.0:5060", "tcp:0.0.0.0:5060")
    tls_certificate: Path | None = None
    """PEM, with those between it and its authority; "tls:" and "wss:" need it and `tls_key`. Read again when they
    change."""
    tls_key: Path | None = None
    tls_authorities: Path | None = None
    """PEM: whom trunks over TLS may be certified by, beside those that the system trusts."""
    ws_origin: tuple[str, ...] = ()
    """Pages that may connect by WebSocket: "https://phone.example", or "*" for any. Who says no origin is no browser,
    and may."""
    http_listen: str = "127.0.0.1:8080"
    media_address: str = "0.0.0.0"
    media_ports: tuple[int, int] = (16384, 32767)
    advertised_address: str | None = None
    """What phones are told instead of the bound address; needed when bound to 0.0.0.0 behind NAT."""
    media_threads: int = 1
    max_legs: int | None = None
    """Legs at once, two a call; above it new calls get 503. None: as many as `media_ports` has pairs, less the 32
    that are kept for emergency calls."""
    max_requests_of_source: int = 10_000
    """SIP requests of one address that is no trunk's which are remembered at once, over UDP for 32 s each; one more
    gets 503, unless it ends a call or is a register. An office of thousands behind one address makes 300 a second
    when all its phones come back."""
    name_servers: tuple[str, ...] = ()
    """Asked for the hosts of trunks: "192.0.2.53", "127.0.0.1:5353". Empty: those that this machine is set up with."""
    ban_s: tuple[int, int] = (300, 86_400)
    """Seconds that a source is banned: the first time, and at most. Each ban is four times as long as the last."""
    never_ban: tuple[str, ...] = ()
    """Networks that are never banned, such as "192.0.2.0/24"."""
    default_realm: str = "tandem"
    decision_timeout_s: float = 3.0
    media_timeout_s: float = 60.0
    registration_expires_s: tuple[int, int] = (60, 3600)
    sip_trace_calls: int = 1000
    """Calls whose SIP messages are kept in memory, the newest; 0: none. At most 32 KiB for each, usually 8."""
    hep: str | None = None
    """Collector that gets a copy of each SIP message by HEPv3: "udp:192.0.2.7:9060". Secrets are masked."""
    hep_id: int = 1
    """What it knows this exchange by."""
    hep_password: str | None = field(default=None, repr=False)
    """What it asks its agents for; sent in clear."""

    @property
    def database(self) -> str:
        """The database URL in force."""
        return self.database_url or f"sqlite:///{self.data_dir / 'tandem.db'}"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], **given: Any) -> "Settings":
        """Settings from TANDEM_* variables; what is `given` and not None goes first. Raises `ConfigError`."""
        values: dict[str, Any] = {}
        problems: list[Problem] = []
        for attribute in fields(cls):
            variable = f"TANDEM_{attribute.name.upper()}"
            if given.get(attribute.name) is not None:
                values[attribute.name] = given[attribute.name]
            elif variable in environment:
                try:
                    values[attribute.name] = _READERS.get(attribute.name, str)(environment[variable])
                except ValueError:
                    problems.append(Problem(variable, f"cannot be {environment[variable]!r}"))
        first, last = values.get("media_ports", (1, 2))
        if not 0 < first < last < 65536:
            problems.append(
                Problem("--media-ports", f"must be FIRST-LAST within 1-65535, not {first}-{last}")
            )
        first, last = values.get("ban_s", (1, 1))
        if not 0 < first <= last <= MAX_BAN_S:
            what = f"must be FIRST-LONGEST within 1-{MAX_BAN_S}, not {first}-{last}"
            problems.append(Problem("--ban-s", what))
        problems += _network_problems(values.get("never_ban", ()))
        if values.get("sip_trace_calls", 0) < 0:
            problems.append(Problem("--sip-trace-calls", "must be 0 or more; 0 keeps none"))
        problems += _tls_problems(values) + _web_socket_problems(values) + _hep_problems(values)
        if problems:
            raise ConfigError(problems)
        return cls(**values)


def _tls_problems(values: Mapping[str, Any]) -> list[Problem]:
    given = [name for name in ("tls_certificate", "tls_key", "tls_authorities") if name in values]
    if _listens(values, "tls:", "wss:"):
        missing = [name for name in ("tls_certificate", "tls_key") if name not in given]
        return [Problem(_flag(name), "is needed to listen for TLS") for name in missing]
    return [
        Problem(_flag(name), "nothing listens for TLS: add --sip-listen tls:0.0.0.0:5061") for name in given
    ]


def _web_socket_problems(values: Mapping[str, Any]) -> list[Problem]:
    if values.get("ws_origin") and not _listens(values, "ws:", "wss:"):
        what = "nothing listens for WebSocket: add --sip-listen wss:0.0.0.0:7443"
        return [Problem(_flag("ws_origin"), what)]
    return []


def _listens(values: Mapping[str, Any], *transports: str) -> bool:
    return any(address.startswith(transports) for address in values.get("sip_listen", ()))


def _network_problems(networks: Iterable[str]) -> Iterator[Problem]:
    for text in networks:
        try:
            ip_network(text, strict=False)
        except ValueError:
            what = f"must be an address or a network such as 192.0.2.0/24, not {text!r}"
            yield Problem("--never-ban", what)


def _hep_problems(values: Mapping[str, Any]) -> list[Problem]:
    if values.get("hep") is None:
        alone = [name for name in ("hep_id", "hep_password") if name in values]
        return [Problem(_flag(name), "no collector: add --hep udp:ADDRESS:PORT") for name in alone]
    problems = []
    transport, _, address = values["hep"].partition(":")
    if transport != "udp" or not _is_address(address):
        problems.append(
            Problem("--hep", f"must be udp:ADDRESS:PORT, such as udp:192.0.2.7:9060, not {values['hep']!r}")
        )
    if not 0 <= values.get("hep_id", 1) < 2**32:
        problems.append(Problem("--hep-id", f"must be 0-4294967295, not {values['hep_id']}"))
    if len(values.get("hep_password", "").encode()) > 256:
        problems.append(Problem("--hep-password", "must be 256 bytes at most"))
    return problems


def _is_address(text: str) -> bool:
    """Whether it is "192.0.2.7:9060" or "[2001:db8::7]:9060"."""
    host, _, port = text.rpartition(":")
    try:
        version = ip_address(host.removeprefix("[").removesuffix("]")).version
    except ValueError:
        return False
    is_bracketed = host.startswith("[") and host.endswith("]")
    return is_bracketed == (version == 6) and port.isascii() and port.isdigit() and 0 < int(port) < 65536


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())


def _range(text: str) -> tuple[int, int]:
    low, _, high = text.partition("-")
    return int(low), int(high)


_READERS: dict[str, Callable[[str], Any]] = {
    "sip_listen": _words,
    "tls_certificate": Path,
    "tls_key": Path,
    "tls_authorities": Path,
    "ws_origin": _words,
    "media_ports": _range,
    "media_threads": int,
    "max_legs": int,
    "name_servers": _words,
    "max_requests_of_source": int,
    "ban_s": _range,
    "never_ban": _words,
    "decision_timeout_s": float,
    "media_timeout_s": float,
    "registration_expires_s": _range,
    "sip_trace_calls": int,
    "hep_id": int,
}
MAX_BAN_S = 366 * 86_400
"""Whoever is to be kept out for longer is the firewall's."""
