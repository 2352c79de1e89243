"""The whole contract between Python and Rust.

Commands return at once; what comes of them arrives as events. A command that names a leg which is gone is
ignored: `LegEnded` is the truth about a leg, comes exactly once, and is the last event of that leg.
Legs are numbered by whoever starts them: Rust counts up from 1, Python from `FIRST_DIALLED_LEG`.
Times named `at_ns` are nanoseconds of CLOCK_MONOTONIC, the clock behind `time.monotonic_ns()`.
"""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Final, final

__all__ = [
    "FIRST_DIALLED_LEG",
    "Account",
    "BanLifted",
    "Binding",
    "CertificateRead",
    "Engine",
    "IncomingCall",
    "KeyPressed",
    "LegAnswered",
    "LegEnded",
    "LegHeardEarly",
    "LegRinging",
    "MalformedMessages",
    "MediaReport",
    "PlaybackEnded",
    "Prompt",
    "RecordingEnded",
    "RegistrationChanged",
    "RegistrationsRefreshed",
    "RestoredBan",
    "RestoredBinding",
    "ServerTried",
    "Silence",
    "SipMessage",
    "SourceBanned",
    "Tone",
    "TransferAsked",
    "Trunk",
    "TrunkHost",
    "TrunkServer",
    "TrunkStateChanged",
    "WrongPasswords",
    "ha1",
]

FIRST_DIALLED_LEG: Final[int]
"""2**62. Python numbers the legs that it dials from here up."""

# Tables: pushed whole, each replaces the one before.

@final
class Account:
    """Somebody who may register and call: one device of one company."""

    def __new__(
        cls,
        *,
        company: str,
        device: str,
        username: str,
        realm: str,
        ha1_md5: str,
        ha1_sha256: str | None = None,
        max_bindings: int = 5,
    ) -> Account:
        """`realm` is the company's domain. `ha1_*` are hex of H(username:realm:password); SHA-256 is offered
        to the device only where `ha1_sha256` is given (RFC 8760; MD5 alone suits most phones)."""

@final
class TrunkHost:
    """A host of a trunk."""

    def __new__(cls, host: str, port: int | None = None, *, priority: int = 0, weight: int = 0) -> TrunkHost:
        """Without `port` the services of the trunk's transport say where its servers are (RFC 3263 §4.2), and where
        there are none its addresses at the usual port. Hosts of lower `priority` are tried first; of those of
        one priority each is first as often as its `weight` says, or all in their order where none has any."""

@final
class Trunk:
    """A peer that we call and that calls us: a carrier, or, for a test phone, the exchange it registers with."""

    def __new__(
        cls,
        *,
        company: str,
        id: str,
        hosts: Sequence[TrunkHost],
        failover_s: float = 4.0,
        health_s: float | None = None,
        transport: str = "udp",
        sources: Sequence[str] = ...,
        username: str | None = None,
        realm: str | None = None,
        ha1_md5: str | None = None,
        ha1_sha256: str | None = None,
        domain: str | None = None,
        register: bool = False,
        expires_s: int = 300,
        contact_user: str | None = None,
        max_calls: int | None = None,
        early_media: bool = True,
        identity: str = "from",
        trusted: bool = True,
        codecs: Sequence[str] = ...,
        forwarding: str = "none",
    ) -> Trunk:
        """A call or register goes from one server to the next where one gives no answer for `failover_s`, cannot be
        connected to or says 503; what has rung anywhere is tried nowhere else. With `health_s` each server is asked
        so often by OPTIONS whether it is there. `transport` is "udp", "tcp" or "tls": a certificate must be for the
        host as it is written then. `sources` are further addresses ("192.0.2.7" or "192.0.2.0/24") whose calls count
        as this trunk's; its servers' always do. `domain` is the host part of our From and of the register's To
        (default: the first host). A challenge is answered only if it comes from a server and names `realm`.
        `contact_user` (default: `username`, else `id`) is the user part of our Contact. Where several trunks share an
        address, the one is meant whose Contact is called, then those known by it, then those registered there; a call
        that could still be two companies' is taken for a stranger's (`sip_unclear_trunks`). A trunk that registers is
        known only while it is registered. With `early_media` callers hear what it says before the answer
        (`LegHeardEarly`). `identity` is the header that tells it who calls: "from", "p_asserted_identity",
        "p_preferred_identity" or "remote_party_id", the last three besides From. Of one that is `trusted` (RFC 3325)
        P-Asserted-Identity and Remote-Party-ID are believed, and it is told there who hides. With `codecs` no
        others are offered to it or answered, and the first is preferred; of its offers `IncomingCall` tells these.
        `forwarding` is the header that tells it for whom a call was: "none", "diversion" (RFC 5806), "history_info"
        (RFC 7044) or "both"."""

@final
class RestoredBinding:
    """A registration that outlived a restart."""

    def __new__(
        cls,
        *,
        company: str,
        device: str,
        contact: str,
        source: str,
        transport: str,
        expires_in_s: float,
        call_id: str,
        cseq: int,
        user_agent: str = "",
        path: Sequence[str] = ...,
        instance: str | None = None,
    ) -> RestoredBinding:
        """`source` is "address:port" of the device as seen by us. Bindings of unknown devices are dropped, and over TCP
        those whose contact (or first `path`) is not at the address of `source`: only the device can connect again."""

# What a leg can hear besides other legs.

@final
class RestoredBan:
    """A ban that outlived a restart."""

    def __new__(cls, *, source: str, left_s: float, forgotten_in_s: float, times: int) -> RestoredBan:
        """`left_s` 0: it is over, and makes the next one longer for `forgotten_in_s`. `times` as of `SourceBanned`."""

@final
class Prompt:
    """A prompt that `set_prompt` has named, from its beginning; `PlaybackEnded` follows unless `loop`."""

    def __new__(cls, name: str, *, loop: bool = False) -> Prompt: ...

@final
class Tone:
    """A continuous sine wave."""

    def __new__(cls, hz: float, *, level_db: float = ...) -> Tone:
        """`hz` 50..3400; `level_db` relative to full scale, -60..0, -12 if not given."""

@final
class Silence:
    """Digital silence, sent as packets: keeps NAT bindings and symmetric peers alive."""

    def __new__(cls) -> Silence: ...

# Events.

@final
class Binding:
    """One place where a device can be reached (RFC 3261 §10)."""

    @property
    def id(self) -> int:
        """Never reused; what `dial_binding` takes."""
    @property
    def contact(self) -> str: ...
    @property
    def source(self) -> str:
        """ "address:port" that the register came from."""
    @property
    def transport(self) -> str: ...
    @property
    def user_agent(self) -> str: ...
    @property
    def expires_in_s(self) -> float: ...
    @property
    def call_id(self) -> str: ...
    @property
    def cseq(self) -> int: ...
    @property
    def path(self) -> list[str]: ...
    @property
    def instance(self) -> str | None:
        """`+sip.instance` and reg-id (RFC 5626), if the phone has them."""

@final
class MediaReport:
    """How the media of one leg went. Seen from us: `received` came from the far end."""

    @property
    def codec(self) -> str:
        """Encoding name as in SDP: "PCMA", "opus"; "" if nothing was agreed."""
    @property
    def packets_received(self) -> int: ...
    @property
    def packets_sent(self) -> int: ...
    @property
    def packets_lost(self) -> int: ...
    @property
    def packets_discarded(self) -> int:
        """Came from a stranger, were malformed or had an unknown payload type. Once the far end is known the kernel
        drops what strangers send, uncounted."""
    @property
    def loss_percent(self) -> float: ...
    @property
    def jitter_ms(self) -> float:
        """Interarrival jitter at the end of the leg (RFC 3550 §6.4.1)."""
    @property
    def jitter_max_ms(self) -> float: ...
    @property
    def round_trip_ms(self) -> float | None:
        """From the far end's receiver reports (RFC 3550 §6.4.1), None if it sent none."""
    @property
    def mos(self) -> float | None:
        """1.0..4.5 by the E-model (ITU-T G.107), None if nothing was received."""

@final
class IncomingCall:
    """A new leg that waits for `ring`, `answer` or `reject`. Without any of them 480 is given
    after the decision deadline; dialling somebody for it is no decision yet."""

    @property
    def leg(self) -> int: ...
    @property
    def at_ns(self) -> int: ...
    @property
    def company(self) -> str: ...
    @property
    def device(self) -> str | None:
        """The authenticated device that calls; None when a trunk does."""
    @property
    def trunk(self) -> str | None: ...
    @property
    def caller_number(self) -> str:
        """User part of From, or, of a trusted trunk, of P-Asserted-Identity or Remote-Party-ID, %-decoded, at most 128
        characters. Of a device its username, whatever its From says. "" if `hidden`: it is told nowhere then."""
    @property
    def caller_name(self) -> str:
        """Display name, control characters removed, at most 128 characters."""
    @property
    def hidden(self) -> bool:
        """Whether the caller asks not to be named: by Privacy (RFC 3323), Remote-Party-ID or an anonymous From."""
    @property
    def diverted(self) -> tuple[str, str, int] | None:
        """Of a trunk that forwarded it: who was called first, why it was forwarded last (RFC 5806 §4.3) and how often,
        at most 1000; by Diversion, else History-Info."""
    @property
    def called(self) -> str:
        """User part of the Request-URI, %-decoded; for a tel: URI its number."""
    @property
    def call_id(self) -> str: ...
    @property
    def codecs(self) -> list[str]:
        """Encoding names offered, in the caller's order; of a trunk with `codecs` those, in their order."""
    @property
    def instead_of(self) -> int | None:
        """The leg whose place it wants (Replaces, RFC 3891), of a device of the same company."""

@final
class LegRinging:
    """The far end of a dialled leg rings (180 or 183). At most once a leg."""

    @property
    def leg(self) -> int: ...
    @property
    def at_ns(self) -> int: ...

@final
class LegHeardEarly:
    """What a trunk says on a dialled leg before it answers is heard from now on by `listener`, the leg that it was
    dialled for: the only one that is rung for it, of a trunk with `early_media`. A caller who waits for an answer is
    sent a 183 for it. The dialled leg hears silence, and keys that are pressed. `hears` of either leg replaces that."""

    @property
    def leg(self) -> int: ...
    @property
    def at_ns(self) -> int: ...
    @property
    def listener(self) -> int: ...

@final
class LegAnswered:
    """The far end of a dialled leg picked up, or the 200 of an answered incoming leg was acknowledged."""

    @property
    def leg(self) -> int: ...
    @property
    def at_ns(self) -> int: ...

@final
class TransferAsked:
    """The far end of a leg, a device, wants its call to go to somebody else (RFC 3515). It has been told 202, and 100
    if it wants to hear of it; without `tell_transfer` within the decision deadline it is told 503."""

    @property
    def leg(self) -> int: ...
    @property
    def at_ns(self) -> int: ...
    @property
    def to(self) -> str:
        """Whom to, as dialled: user part of Refer-To, %-decoded, at most 128 characters."""
    @property
    def instead_of(self) -> int | None:
        """Another leg of a device of the same company, whose place the call is to take (RFC 3891, RFC 5589 §7)."""

@final
class LegEnded:
    """The last event of a leg."""

    @property
    def leg(self) -> int: ...
    @property
    def at_ns(self) -> int: ...
    @property
    def status(self) -> int:
        """SIP status that ended it: 200 after a BYE, 487 after a cancel, otherwise the final answer (408 also for
        silence on the line, 503 for a transport that failed)."""
    @property
    def by(self) -> str:
        """ "peer", "us" (a command), "deadline" (no decision in time), "timeout" (no answer from the network),
        "media" (no packet for the media time-out, and nobody on hold) or "shutdown"."""
    @property
    def reason(self) -> str:
        """Reason phrase, or the text of the peer's Reason header (RFC 3326)."""
    @property
    def moved_to(self) -> str:
        """The number to which a device sends its callers (3xx), if that is at the exchange or in the device's domain;
        "" for none."""
    @property
    def answered_at_ns(self) -> int | None: ...
    @property
    def media(self) -> MediaReport | None: ...

@final
class KeyPressed:
    """A key of the telephone keypad was pressed and let go (RFC 4733), or came by INFO; who hears the leg gets it.

    Told once for a press that comes by both within 0.8 s.
    """

    @property
    def leg(self) -> int: ...
    @property
    def at_ns(self) -> int: ...
    @property
    def key(self) -> str: ...

@final
class PlaybackEnded:
    """A prompt has come to its end on this leg, or could not be played: then `played_ms` is 0."""

    @property
    def leg(self) -> int: ...
    @property
    def at_ns(self) -> int: ...
    @property
    def prompt(self) -> str: ...
    @property
    def played_ms(self) -> int: ...

@final
class RecordingEnded:
    """The file of `record` is closed. Comes before the leg's `LegEnded`."""

    @property
    def leg(self) -> int: ...
    @property
    def path(self) -> str: ...
    @property
    def recorded_ms(self) -> int: ...
    @property
    def error(self) -> str | None: ...

@final
class RegistrationChanged:
    """The places where a device can be reached are now these; empty means that it is offline.

    Sent for a new, a moved, a removed and an expired binding; a mere refresh is told of by `RegistrationsRefreshed`."""

    @property
    def at_ns(self) -> int: ...
    @property
    def company(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def bindings(self) -> list[Binding]: ...
    @property
    def why(self) -> str:
        """ "registered", "unregistered", "expired", "removed" (account gone)."""

@final
class RegistrationsRefreshed:
    """Bindings that are as they were but for their expiry: all that were refreshed within a second, each once."""

    @property
    def at_ns(self) -> int: ...
    @property
    def bindings(self) -> list[tuple[int, float]]:
        """The id of each and what is left of it, in seconds. All of them have been told of and are still there."""

@final
class WrongPasswords:
    """A source tries passwords that are wrong, or not looked at because so many were; told a minute after the first at
    the latest, for at most 256 sources at once."""

    @property
    def at_ns(self) -> int: ...
    @property
    def source(self) -> str:
        """An IPv4 address, or the first of an IPv6 /64."""
    @property
    def count(self) -> int:
        """How many since it was last told of."""
    @property
    def account(self) -> str:
        """Whose it tried last: "user@realm", which need not exist."""

@final
class MalformedMessages:
    """A source sends what cannot be read; told as `WrongPasswords` is. That of datagrams may be forged."""

    @property
    def at_ns(self) -> int: ...
    @property
    def source(self) -> str: ...
    @property
    def count(self) -> int:
        """How many since it was last told of."""
    @property
    def last(self) -> str:
        """What was wrong with the last, in English."""

@final
class SourceBanned:
    """A source is not listened to from now on, but what is a trunk's or in `never_banned`."""

    @property
    def at_ns(self) -> int: ...
    @property
    def source(self) -> str:
        """As of `WrongPasswords`."""
    @property
    def why(self) -> str:
        """ "wrong_passwords", "garbage" (no SIP, by streams) or "flood" (requests of nobody known, by streams)."""
    @property
    def lasts_s(self) -> float: ...
    @property
    def times(self) -> int:
        """For the how manieth time."""
    @property
    def account(self) -> str:
        """As of `WrongPasswords`; "" if it tried none."""

@final
class BanLifted:
    """A source is listened to again before its time: by `lift_ban`, because somebody of a restored ban is registered
    there or it is never to be banned, or because there are too many."""

    @property
    def at_ns(self) -> int: ...
    @property
    def source(self) -> str: ...

@final
class CertificateRead:
    """A certificate for TLS is in force: at the start, and whenever its files have changed."""

    @property
    def at_ns(self) -> int: ...
    @property
    def ends_at_s(self) -> int:
        """When the one in force ends, in seconds since 1970."""
    @property
    def fault(self) -> str | None:
        """Why what the files hold now is of no use; the old one stays in force then."""

@final
class ServerTried:
    """A server of a trunk did not take a dialled leg, which has others to try or had."""

    @property
    def leg(self) -> int: ...
    @property
    def at_ns(self) -> int: ...
    @property
    def server(self) -> str:
        """For people: "sip.example (192.0.2.1:5060)", or the address alone."""
    @property
    def status(self) -> int:
        """SIP status: 408 for no answer, 503 also for no connection."""
    @property
    def reason(self) -> str: ...
    @property
    def next(self) -> str | None:
        """The server that is tried now; None: that was the last."""

@final
class TrunkServer:
    """How one server of a trunk stands."""

    @property
    def host(self) -> str:
        """As configured."""
    @property
    def address(self) -> str | None:
        """ "address:port"; None: the host has none, or is not looked up yet."""
    @property
    def standing(self) -> str:
        """ "up" or "down"; "unknown" while nothing asks it and no call has failed there."""
    @property
    def is_home(self) -> bool:
        """Whether it is the one that we are registered with."""
    @property
    def status(self) -> int:
        """Why it is down, as a SIP status; 0 while it is not."""
    @property
    def reason(self) -> str: ...

@final
class TrunkStateChanged:
    """A trunk got or lost its registration, is refused for another reason or begins anew, or one of its servers is gone
    or back."""

    @property
    def at_ns(self) -> int: ...
    @property
    def company(self) -> str: ...
    @property
    def trunk(self) -> str: ...
    @property
    def registers(self) -> bool: ...
    @property
    def registered(self) -> bool: ...
    @property
    def status(self) -> int:
        """SIP status of the last answer to a register: 408 when there was none, 503 without a way or an address, 0
        before the first and where nothing registers."""
    @property
    def reason(self) -> str: ...
    @property
    def servers(self) -> list[TrunkServer]:
        """In the order of the hosts."""

@final
class SipMessage:
    """A SIP message that came or went, without secrets: each byte of one is an "x"."""

    @property
    def leg(self) -> int: ...
    @property
    def age_s(self) -> float:
        """How long ago."""
    @property
    def received(self) -> bool:
        """Whether it came to us; otherwise we sent it."""
    @property
    def transport(self) -> str:
        """ "udp", "tcp", "tls", "ws" or "wss"."""
    @property
    def local(self) -> str:
        """Our address as the far end knows it, with its port."""
    @property
    def remote(self) -> str: ...
    @property
    def repeated(self) -> bool:
        """Whether the same bytes came or went before."""
    @property
    def text(self) -> str:
        """All of it, with CRLF. What is no UTF-8 is U+FFFD."""

_Event = (
    IncomingCall
    | LegRinging
    | LegHeardEarly
    | LegAnswered
    | LegEnded
    | TransferAsked
    | KeyPressed
    | PlaybackEnded
    | RecordingEnded
    | RegistrationChanged
    | RegistrationsRefreshed
    | CertificateRead
    | ServerTried
    | TrunkStateChanged
    | WrongPasswords
    | MalformedMessages
    | SourceBanned
    | BanLifted
)

@final
class Engine:
    """Threads, sockets and clock. Everything SIP and RTP happens in here."""

    def __new__(
        cls,
        *,
        sip_listen: Sequence[str],
        default_realm: str,
        media_address: str,
        media_ports: tuple[int, int] = ...,
        advertised_address: str | None = None,
        tls_certificate: str | PathLike[str] | None = None,
        tls_key: str | PathLike[str] | None = None,
        tls_authorities: str | PathLike[str] | None = None,
        ws_origins: Sequence[str] = ...,
        media_threads: int = 1,
        max_legs: int | None = None,
        max_requests_of_source: int = 10_000,
        ban_s: tuple[int, int] = ...,
        never_banned: Sequence[str] = ...,
        max_undecided_age_s: float = 0.5,
        decision_timeout_s: float = 3.0,
        media_timeout_s: float = 60.0,
        registration_expires_s: tuple[int, int] = ...,
        event_queue: int = 65_536,
        sip_trace_calls: int = 0,
        hep: str | None = None,
        hep_id: int = 1,
        hep_password: str | None = None,
        user_agent: str = "Tandem",
        only_playable: bool = False,
        name_servers: Sequence[str] = ...,
        secret: bytes | None = None,
        seed: int | None = None,
    ) -> Engine:
        """Open all sockets and start the threads.

        `sip_listen` are "udp:127.0.0.1:5060", "tcp:[::1]:5060", "tls:127.0.0.1:5061", "ws:127.0.0.1:8088" and
        "wss:127.0.0.1:7443" (RFC 7118, at the paths / and /ws). "tls" and "wss" need
        `tls_certificate` (with those between it and its authority) and `tls_key`: PEM files, read again when they
        change. `tls_authorities` are those whom trunks may be certified by, beside those that the system trusts.
        `ws_origins` are the pages that may connect by WebSocket, "https://phone.example" or "*" for any; by default
        none, and who says no origin, because it is no browser, may.
        `name_servers` ("192.0.2.53", "127.0.0.1:5353") are asked for the hosts of trunks instead of the host's own.
        `default_realm` challenges requests whose To names no known domain. `media_address` is bound for RTP, from
        random even ports of `media_ports` (inclusive; 16384..32767). `registration_expires_s` are the shortest and
        longest granted (60, 3600). `advertised_address` stands in Contact, Via and SDP instead of the bound address;
        without it one bound to all addresses is told as the one of the default route. New calls are refused with 503
        and Retry-After while the oldest undecided call is older than `max_undecided_age_s`, while the event queue is
        three quarters full, or while `max_legs` has no room for two more. Each leg has a pair of `media_ports` from
        its beginning, and 32 pairs are kept for calls to emergency numbers; None: as many legs as the rest.
        `max_requests_of_source` requests of one address (of an IPv6 /64) that is no trunk's are remembered at once,
        over UDP for 32 s each; one more is answered 503, unless it ends a call or is a register.
        The SIP messages of the newest `sip_trace_calls` calls (of two legs each) are kept for `sip_messages`, at most
        100 of a leg and 32 KiB for each of these calls in all; 0: none.
        `ban_s` are the seconds that a source is banned: the first time, and at most (300, 86400); each ban is four
        times as long as the one before. `never_banned` are networks ("192.0.2.7", "192.0.2.0/24") that never are, as
        trunks' addresses and those that somebody is registered from never are.
        A copy of each SIP message, masked like those, goes to the collector `hep` ("udp:192.0.2.7:9060") by HEPv3, as
        agent `hep_id` (0..2³²-1) and with `hep_password` (at most 256 bytes) in clear; legs that a call
        dials have the Call-ID of its first one as correlation id. What finds no room among 16,384 messages and
        16 MiB is dropped.
        `only_playable` leaves G.711 alone in the offers that are ours: for phones, which hear and do not relay.
        `secret` is 32 random bytes, the same in each run: what unknown users are shown when they register depends on
        it, so that they cannot be told from known ones, and so do nonces. Without it another one is made for each run.
        `seed` makes identifiers and nonces repeatable; never set it in production.

        Raises `OSError` naming the address if a socket cannot be opened, or the file of a certificate that is of no
        use; `ValueError` naming a bad argument.
        """
    def event_fd(self) -> int:
        """A descriptor that is readable while events wait. Owned by the engine."""
    def drain_events(self, limit: int) -> list[_Event]:
        """Take up to `limit` events, oldest first."""
    def listening(self) -> list[str]:
        """The addresses really bound, in the form of `sip_listen` (port 0 resolved)."""
    def set_accounts(
        self, accounts: Sequence[Account], *, emergency_numbers: Mapping[str, Sequence[str]] = ...
    ) -> None:
        """Replace the table. Bindings of accounts that are gone end with `RegistrationChanged`.

        `emergency_numbers` are those of each company, as dialled. A device of the company that calls one is not
        refused for load, and no trunk is too full to carry it on, up to 2 such calls of a device, 8 of a company and
        16 of all at once. A device that is dialled with such a number as `caller_number` is one of a call for help
        too.
        """
    def set_trunks(self, trunks: Sequence[Trunk]) -> None:
        """Replace the table. Calls that use a trunk which is gone go on; its registration is removed."""
    def restore_bindings(self, bindings: Sequence[RestoredBinding]) -> None:
        """Take over registrations of an earlier run; answered by `RegistrationChanged` for each device,
        without bindings ("expired") for one that cannot be reached from here."""
    def restore_bans(self, bans: Sequence[RestoredBan]) -> None:
        """Take over bans of an earlier run. After `restore_bindings`: whoever is registered is not banned, and is told
        as `BanLifted`."""
    def lift_ban(self, source: str) -> None:
        """Listen to the source of an address again, as if it had never been banned; `BanLifted` if it was."""
    def set_prompt(self, name: str, samples: bytes) -> None:
        """Keep a prompt: mono signed 16-bit little-endian, 8 kHz. Copied; an empty one forgets the name."""
    def ring(self, leg: int) -> None:
        """Tell the caller that somebody is being alerted (180)."""
    def answer(self, leg: int, *, like: int | None = None) -> None:
        """Pick up. With `like`, agree on what the answered leg `like` agreed on, so both can be relayed; without,
        on a codec that we can play to (G.711). Ends with 488 if there is none."""
    def reject(self, leg: int, status: int, reason: str = "", *, retry_after_s: int | None = None) -> None:
        """Refuse an incoming leg with a final status 300..699."""
    def dial_binding(
        self,
        leg: int,
        binding: int,
        *,
        caller_number: str,
        caller_name: str = "",
        offer_of: int | None = None,
    ) -> None:
        """Call a registered device. `offer_of` names the leg that it is called for: its codecs are offered on, and one
        hop less than it may take (Max-Forwards); with no hop left the new leg ends with 483. None offers ours."""
    def dial_trunk(
        self,
        leg: int,
        company: str,
        trunk: str,
        number: str,
        *,
        caller_number: str,
        caller_name: str = "",
        hidden: bool = False,
        diverted: tuple[str, str, int] | None = None,
        offer_of: int | None = None,
    ) -> None:
        """Call `number` through a trunk. `hidden`: whom it calls must not see the caller (RFC 3323, RFC 3325).
        `diverted`: for whom the call was, why it was forwarded (RFC 5806 §4.3) and how often."""
    def hang_up(self, leg: int, status: int = 480, reason: str = "") -> None:
        """End a leg whatever its state: BYE, CANCEL, or `status` for an incoming leg that was not answered."""
    def tell_transfer(self, leg: int, status: int) -> None:
        """Tell the far end, which asked for a transfer, how that goes: 1xx, which keeps the deadline, then once a final
        status. Ignored if it waits for no word. Raises `ValueError` for a status outside of 100..699."""
    def hears(self, leg: int, sources: Sequence[int | Prompt | Tone | Silence]) -> None:
        """From now on the far end of `leg` hears exactly this: nothing, one other leg, or one played source.

        Raises `ValueError` for more than one source: mixing needs the media core.
        """
    def send_keys(self, leg: int, keys: str, *, press_ms: int = 160) -> None:
        """Press keys of "0123456789*#ABCD" towards the far end, one after the other (RFC 4733). `press_ms` 40..2000."""
    def record(self, leg: int, path: str, *, max_s: float = 3600.0) -> None:
        """Write what comes from the far end to a WAV file (8 kHz, 16 bit, mono; G.711 legs) until it ends."""
    def stop_recording(self, leg: int) -> None: ...
    def sip_messages(self, legs: Sequence[int]) -> tuple[list[SipMessage], int]:
        """The SIP messages of the first 200 of these legs, oldest first, those from before they were legs among them
        (challenges); and how many of theirs were left out, from the middle of a leg with more than 100 or 128 KiB.

        Nothing is kept of legs that newer ones have pushed out. Takes some milliseconds at most.
        """
    def counters(self) -> dict[str, int]:
        """Totals since start, and levels. A snapshot at most 1 s old.

        `sip_*` counts messages, legs, bindings and what was refused; `media_*` packets and what was discarded;
        `tcp_*` connections; `events_*` what waits for `drain_events`; `thread_panics` and `media_panics` are
        faults of ours, each of which ended one message or leg. `sip_trace_*` is what is kept for `sip_messages`,
        `hep_*` what was sent to the collector and what was not.
        `sip_thread_silent_ms` is how old the snapshot
        is. `decision_*_us` is the time from an INVITE to the first command for it, `setup_*_us` to the INVITE
        that is dialled with it as `offer_of`: count, sum, and percentiles of the newest 4,096.
        """
    def close(self) -> None:
        """End all legs (BYE, CANCEL, 503), unregister from trunks, stop the threads. At most 2 s. Idempotent."""

def ha1(username: str, realm: str, password: str, algorithm: str = "MD5") -> str:
    """Hex of H(username:realm:password) (RFC 7616 §3.4.2). `algorithm` is "MD5" or "SHA-256"."""
