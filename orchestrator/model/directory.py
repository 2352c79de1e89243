"""The words for who is who: companies, people, their devices, trunks and numbers."""

import enum
from collections.abc import Mapping

from attrs import field, frozen

from orchestrator.model.calls import Refusal
from orchestrator.model.identifiers import (
    E164,
    CompanyId,
    DeviceId,
    ExtensionNumber,
    PersonId,
    PromptName,
    SiteId,
    TrunkId,
)
from orchestrator.model.outside import DEFAULT, Ceiling, ClassOfService, CostClass
from orchestrator.model.spelling import TrunkNumbers


@frozen
class ToPerson:
    """Leads to a person, by that person's ring plan."""

    person: PersonId


@frozen
class ToOutside:
    """Leads to a public number through the company's trunk."""

    number: E164


@frozen
class Announcement:
    """Plays a prompt, then leads on; without `then` it is a terminal: the call ends after the prompt."""

    prompt: PromptName
    then: "Destination | None" = None


Destination = ToPerson | ToOutside | Announcement


class DeviceKind(enum.Enum):
    """What a device is to its owner. It changes no rule; people and pages name devices by it."""

    DESK = "desk"
    SOFTPHONE = "softphone"
    MOBILE = "mobile"
    HOME = "home"


@frozen
class SipDevice:
    """A phone that registers. `delay_s` and `ring_s` count under the strategies that use them."""

    id: DeviceId
    kind: DeviceKind
    username: str
    ha1_md5: str = field(repr=False)
    ha1_sha256: str | None = field(default=None, repr=False)
    label: str = ""
    delay_s: float = 0.0
    ring_s: float = 20.0


@frozen
class OutsideDevice:
    """A public number of the person, always thought reachable, rung through a trunk."""

    id: DeviceId
    kind: DeviceKind
    number: E164
    label: str = ""
    delay_s: float = 0.0
    ring_s: float = 25.0


Device = SipDevice | OutsideDevice


class RingStrategy(enum.Enum):
    """In which order a person's devices ring."""

    SERIAL = "serial"
    """One after the other, each for its `ring_s`."""
    PARALLEL = "parallel"
    """All at once, for the longest `ring_s`."""
    AS_CARD = "as_card"
    """Each from its `delay_s` on, for its `ring_s`."""


@frozen
class Person:
    """Somebody with a short number."""

    id: PersonId
    name: str
    extension: ExtensionNumber
    devices: tuple[Device, ...] = ()
    strategy: RingStrategy = RingStrategy.SERIAL
    next_steps: Mapping[Refusal, Destination] = field(factory=dict)
    """Where a caller goes on when this person cannot be reached; a missing one leads to the company's terminal."""
    do_not_disturb: bool = False
    call_limit: int | None = None
    """Calls at once; above it the person counts as busy. None: no limit."""
    site: SiteId | None = None
    role: str = ""
    """As the next two a label, for people and the programs that show them: no rule reads it."""
    freelancer: bool = False
    time_zone: str | None = None
    """IANA name; None: the company's."""
    class_of_service: str = DEFAULT
    """What this person may do towards the outside, by its name in the company."""
    caller_number: E164 | None = None
    """The company's number that people outside see when this person calls; None: the trunk's."""


@frozen
class Site:
    """An office, a warehouse, a city: where people sit. Numbers never depend on it."""

    id: SiteId
    name: str


@frozen
class TrunkHost:
    """A host of a trunk. Those of lower `priority` are tried first; of those of one priority each is first as often as
    its `weight` says, or all in their order where none has any."""

    host: str
    port: int | None = None
    """None: the services of the transport say (RFC 3263 §4.2), else the usual one."""
    priority: int = 0
    weight: int = 0

    @property
    def text(self) -> str:
        """For people, as written."""
        return self.host if self.port is None else f"{self.host}:{self.port}"


class IdentityHeader(enum.Enum):
    """Where a trunk reads who calls."""

    FROM = "from"
    ASSERTED = "p_asserted_identity"
    """RFC 3325 §9.1; as the next two besides From."""
    PREFERRED = "p_preferred_identity"
    """RFC 3325 §9.2."""
    REMOTE_PARTY = "remote_party_id"
    """Of before RFC 3325."""


class Forwarding(enum.Enum):
    """Where a trunk reads for whom a forwarded call was."""

    NONE = "none"
    DIVERSION = "diversion"
    """RFC 5806."""
    HISTORY_INFO = "history_info"
    """RFC 7044."""
    BOTH = "both"


@frozen
class Trunk:
    """A link to a carrier, known by its addresses, or registered there by us (`register`)."""

    id: TrunkId
    hosts: tuple[TrunkHost, ...]
    """At least one."""
    caller_number: E164
    """What people outside see when we call through this trunk."""
    shows: tuple[str, ...] = ()
    """Beginnings of further numbers that its carrier lets us show."""
    failover_s: float = 4.0
    """How long a server may be silent before the next is tried."""
    health_s: float | None = None
    """How often each server is asked by OPTIONS whether it is there; None: never."""
    transport: str = "udp"
    sources: tuple[str, ...] = ()
    register: bool = False
    username: str | None = None
    realm: str | None = None
    ha1_md5: str | None = field(default=None, repr=False)
    ha1_sha256: str | None = field(default=None, repr=False)
    max_calls: int | None = None
    early_media: bool = True
    """Whether a caller hears what the carrier says before the answer."""
    numbers: TrunkNumbers = field(factory=TrunkNumbers)
    """How it writes numbers."""
    caller_name: str = ""
    """What people outside see besides the number."""
    identity: IdentityHeader = IdentityHeader.FROM
    trusted: bool = True
    """Whether its word for who calls is believed, and it is told the number of callers who hide."""
    forwarding: Forwarding = Forwarding.DIVERSION
    codecs: tuple[str, ...] = ()
    """Encoding names that are spoken with it, the preferred first; empty: all."""


@frozen
class Number:
    """A public number of the company and where it leads. Any number of calls at once."""

    number: E164
    leads_to: Destination


@frozen
class Company:
    """A tenant without its people, trunks and numbers: what holds for all of them."""

    id: CompanyId
    name: str
    domain: str
    """The host part of its people's SIP addresses, and the digest realm. Unique in the exchange."""
    terminal: Announcement
    """Where a path ends that leads nowhere else. Never has a `then`."""
    language: str = "en"
    """"en" or "ru"."""
    time_zone: str = "UTC"
    country_code: str = "7"
    """E.164 country code for numbers dialled in national form."""
    outside_trunk: TrunkId | None = None
    """Carries calls to public numbers; None: nobody calls outside."""
    outside_prefixes: Mapping[str, CostClass] | None = None
    """What numbers cost that begin so ("+7"); None: those of the company's country are national. All others are
    foreign, but for those that `numbering.costs` knows better."""
    classes_of_service: Mapping[str, ClassOfService] = field(factory=dict)
    """By name. "default" is for people that name no other, and for the company's own numbers."""
    ceiling: Ceiling = field(factory=Ceiling)
    """The operator's alone."""
    emergency_numbers: tuple[str, ...] = ("112",)
    """Always allowed, never taken as extensions."""
