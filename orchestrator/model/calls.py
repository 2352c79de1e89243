"""The words for calls: who calls, how an attempt to reach somebody goes, how a call ends."""

import enum

from msgspec import Struct

from orchestrator.model.identifiers import (
    E164,
    BindingId,
    CallId,
    CompanyId,
    DeviceId,
    LegId,
    PersonId,
    TrunkId,
)


class Refusal(enum.Enum):
    """Why somebody was not reached. The SIP status is the switch's business, not ours."""

    DO_NOT_DISTURB = "do_not_disturb"
    OFFLINE = "offline"
    BUSY = "busy"
    DECLINED = "declined"
    UNREACHABLE = "unreachable"
    NO_ANSWER = "no_answer"


class Direction(enum.Enum):
    """How a call lies to the company."""

    INTERNAL = "internal"
    INBOUND = "inbound"
    OUTBOUND = "outbound"


class EndCause(enum.Enum):
    """Why a call is over."""

    CALLER_HUNG_UP = "caller_hung_up"
    CALLEE_HUNG_UP = "callee_hung_up"
    ABANDONED = "abandoned"
    """The caller left before anybody answered."""
    TERMINAL = "terminal"
    """A declared terminal played to its end."""
    REFUSED = "refused"
    """Turned away unanswered: unknown number, not allowed, nothing in common to speak."""
    NOT_REACHED = "not_reached"
    """Nobody was found, and there was nobody to play an announcement to."""
    COMMAND = "command"
    """Ended by a command of the API or an operator."""
    TRANSFERRED = "transferred"
    """Its parties go on in another call; `detail` names that."""
    MEDIA_LOST = "media_lost"
    """No sound came from a party for too long."""
    DECISION_LATE = "decision_late"
    """The switch gave its default answer before the orchestrator decided."""
    NODE_FAILURE = "node_failure"
    """The exchange died during the call; closed at the next start."""
    SHUTDOWN = "shutdown"
    """The exchange was stopped."""
    CRASHED = "crashed"
    """A fault of ours ended this call."""


class Diversion(Struct, frozen=True):
    """For whom a call was before it was forwarded."""

    number: str
    """Whoever was called first."""
    reason: str
    """Why it was forwarded last, in the words of RFC 5806 §4.3: "no-answer", "user-busy", …"""
    count: int = 1
    """How often it was."""


class CallerId(Struct, frozen=True):
    """What the called party sees."""

    number: str
    name: str = ""
    hidden: bool = False
    """Whether the caller wants to be seen by nobody outside; of one who calls from there, nobody knows more."""
    diverted: Diversion | None = None
    """For whom the call was, if it was forwarded."""


class FromDevice(Struct, frozen=True):
    """An employee's phone calls."""

    device: DeviceId


class FromTrunk(Struct, frozen=True):
    """Somebody outside calls through a trunk."""

    trunk: TrunkId


class Arrival(Struct, frozen=True):
    """A call that has just reached the exchange and waits for a decision."""

    leg: LegId
    company: CompanyId
    source: FromDevice | FromTrunk
    caller: CallerId
    called: str
    """As dialled: "101", "84951234567", "+74951234567"."""
    can_hear_prompts: bool = True
    """Whether the caller speaks a codec that prompts can be played in."""
    speaks: bool = True
    """Whether the caller speaks any codec that its trunk permits."""
    instead_of: tuple[CallId, LegId] | None = None
    """The leg of a call of the company whose place it wants (RFC 3891); `called` says nothing then."""


class ToBinding(Struct, frozen=True):
    """Dial one place where a device is registered."""

    device: DeviceId
    binding: BindingId


class ToTrunk(Struct, frozen=True):
    """Dial a public number through a trunk; `device` when it is somebody's mobile or home number."""

    trunk: TrunkId
    number: str
    device: DeviceId | None = None


DialTarget = ToBinding | ToTrunk


class Answered(Struct, frozen=True):
    """The far end picked up."""


class Failed(Struct, frozen=True):
    """The far end did not pick up."""

    why: Refusal
    status: int = 0
    """SIP status behind it, 0 if there was none."""
    reason: str = ""
    """The far end's words, or ours where it was not reached."""
    moved_to: str = ""
    """The number to which a device sends its callers, as dialled; "" for none."""


Outcome = Answered | Failed


class MediaQuality(Struct, frozen=True):
    """How the sound of one leg was. `None` where nothing was measured."""

    codec: str
    packets_received: int
    packets_sent: int
    packets_lost: int
    loss_percent: float
    jitter_ms: float
    round_trip_ms: float | None
    mos: float | None
    """1.0..4.5 (ITU-T G.107)."""


class EndedBy(enum.Enum):
    """Who ended a leg."""

    PEER = "peer"
    US = "us"
    DEADLINE = "deadline"
    TIMEOUT = "timeout"
    MEDIA = "media"
    SHUTDOWN = "shutdown"


class LegEnd(Struct, frozen=True):
    """How a leg ended."""

    by: EndedBy
    status: int
    reason: str = ""
    media: MediaQuality | None = None
    moved_to: str = ""
    """The number to which a device sends its callers, as dialled; "" for none."""


class Who(Struct, frozen=True):
    """A party of a call in the words of the directory; all None: an unknown number outside."""

    person: PersonId | None = None
    device: DeviceId | None = None
    trunk: TrunkId | None = None
    number: E164 | str = ""
    name: str = ""
