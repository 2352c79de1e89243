"""What happened, in the past tense. Everything the product ever tells anybody is computed from these.

An entry is numbered and dated by the journal when it is written: see `Record`. Durations that matter for
figures are in the entries themselves, taken from the monotonic clock; stamps serve people.
Entries are stored as JSON by the name of their class; a field may be added with a default, never renamed.
"""

from datetime import datetime

from msgspec import Struct

from orchestrator.model.calls import Direction, Diversion, EndCause, EndedBy, MediaQuality, Refusal, Who
from orchestrator.model.identifiers import (
    E164,
    CallId,
    CommandId,
    CompanyId,
    DeviceId,
    LegId,
    PersonId,
    PromptName,
    TrunkId,
)
from orchestrator.model.outside import Barred


class CallArrived(Struct, frozen=True):
    """A call began: somebody dialled, or a command asked for it."""

    call: CallId
    leg: LegId
    direction: Direction
    caller: Who
    called: str
    command: CommandId | None = None
    diverted: Diversion | None = None
    """For whom it was, if its carrier says that it was forwarded."""


class CallRouted(Struct, frozen=True):
    """The number led here. `to` is "person:anna", "outside:+7…", "announcement:welcome" or "nowhere"."""

    call: CallId
    to: str
    because: str
    """A stable word: "extension", "number", "emergency", "outside", "unknown_number", "not_allowed", "no_codec",
    "loop", "transfer"."""
    person: PersonId | None = None
    number: E164 | None = None
    """The company's own public number that was dialled, if it was one."""


class DeviceSkipped(Struct, frozen=True):
    """A device that could not ring, left out at once: nobody waits for a phone that is not there."""

    call: CallId
    person: PersonId
    device: DeviceId
    because: Refusal


class DeviceRang(Struct, frozen=True):
    """A leg towards a device was started."""

    call: CallId
    leg: LegId
    device: DeviceId | None
    person: PersonId | None
    number: str = ""


class EarlyMediaHeard(Struct, frozen=True):
    """The party for whom a leg was dialled hears what its trunk says before it answers."""

    call: CallId
    leg: LegId


class DeviceFailed(Struct, frozen=True):
    """A device that was rung did not answer."""

    call: CallId
    leg: LegId
    device: DeviceId | None
    person: PersonId | None
    because: Refusal
    status: int = 0
    reason: str = ""


class TrunkServerTried(Struct, frozen=True):
    """A server of a trunk did not take a leg that its other servers were or will be tried for."""

    call: CallId
    leg: LegId
    trunk: TrunkId
    server: str
    """"sip.carrier.example (192.0.2.1:5060)", or the address alone."""
    status: int
    """SIP status: 408 for no answer, 503 also for no connection."""
    reason: str = ""
    next: str = ""
    """The one that is tried now; "": that was the last."""


class PersonNotReached(Struct, frozen=True):
    """Nobody of this person's devices answered; the call goes on to `next` ("person:boris", "terminal", …)."""

    call: CallId
    person: PersonId
    because: Refusal
    next: str


class OutsideBarred(Struct, frozen=True):
    """A number outside was not called: whoever caused the call has no right to it."""

    call: CallId
    barred: Barred


class LoopCut(Struct, frozen=True):
    """A chain of forwarding led back to somebody already tried, or grew too long; the terminal follows."""

    call: CallId
    person: PersonId
    chain: tuple[PersonId, ...]


class CallAnswered(Struct, frozen=True):
    """Somebody, or an announcement (`prompt`), picked up. Durable before the caller hears it."""

    call: CallId
    leg: LegId
    answered_by: Who
    wait_ms: int
    prompt: PromptName | None = None


class TerminalReached(Struct, frozen=True):
    """Nobody was found; the declared terminal is due."""

    call: CallId
    prompt: PromptName


class PromptUnheard(Struct, frozen=True):
    """An announcement was due to this leg and could not be played: its far end speaks no G.711, or the file is gone."""

    call: CallId
    leg: LegId
    prompt: PromptName


class CallTransferred(Struct, frozen=True):
    """A party is led on to somebody else: by command, or because a phone asked for it."""

    call: CallId
    leg: LegId
    to: str
    command: CommandId | None = None
    by: PersonId | None = None
    """Whose phone asked for it."""
    attended: bool = False
    """Whether who transfers has talked to whom it leads to: both are joined at once."""


class TransferFailed(Struct, frozen=True):
    """A transfer that a phone asked for came to nothing: whom it talked to goes back to it."""

    call: CallId
    leg: LegId
    """The phone's."""
    to: str
    """As dialled."""
    because: str
    """A stable word: "unknown_number", "not_allowed", "not_reached", "no_such_call", …"""
    status: int
    """What the phone was told."""
    by: PersonId | None = None


class LegMoved(Struct, frozen=True):
    """A leg goes on in another call: an attended transfer has joined it to that, or it has taken a place there."""

    call: CallId
    leg: LegId
    into: CallId


class LegFinished(Struct, frozen=True):
    """A leg is gone; how it sounded."""

    call: CallId
    leg: LegId
    by: EndedBy
    status: int
    reason: str = ""
    media: MediaQuality | None = None


class CallEnded(Struct, frozen=True):
    """The call is over. Exactly one for each `CallArrived`."""

    call: CallId
    cause: EndCause
    wait_ms: int
    """Arrival to answer by a human, or to the end if no human answered."""
    talk_ms: int
    """From the first human answer to the end; 0 if there was none."""
    status: int = 0
    detail: str = ""


class DeviceRegistered(Struct, frozen=True):
    """A device came online, or moved to another address, transport or phone. Refreshes and new ports are not news."""

    device: DeviceId
    source: str
    transport: str
    user_agent: str


class DeviceUnregistered(Struct, frozen=True):
    """The last place where a device could be reached is gone."""

    device: DeviceId
    why: str


class TrunkChanged(Struct, frozen=True):
    """A registering trunk got or lost its registration, or is refused for another reason."""

    trunk: TrunkId
    registered: bool
    status: int
    reason: str = ""
    server: str = ""
    """The one that we are registered with, where there are several."""


class TrunkServerChanged(Struct, frozen=True):
    """A server of a trunk gives no answer any more, or answers again."""

    trunk: TrunkId
    server: str
    answers: bool
    status: int = 0
    reason: str = ""


class ConfigurationChanged(Struct, frozen=True):
    """Somebody changed the company; `changes` are lines such as "person anna: extension 101 → 111"."""

    by: str
    changes: tuple[str, ...]


class CommandAccepted(Struct, frozen=True):
    """Somebody gave a command; exactly one `CommandCompleted` or `CommandFailed` follows, even over a crash."""

    command: CommandId
    kind: str
    """"originate", "hang_up" or "transfer"."""
    by: str
    call: CallId | None = None


class CommandCompleted(Struct, frozen=True):
    """A command did what it was asked."""

    command: CommandId
    kind: str
    call: CallId | None = None


class CommandFailed(Struct, frozen=True):
    """A command could not do what it was asked."""

    command: CommandId
    kind: str
    code: str
    detail: str
    call: CallId | None = None


Entry = (
    CallArrived
    | CallRouted
    | DeviceSkipped
    | DeviceRang
    | EarlyMediaHeard
    | DeviceFailed
    | TrunkServerTried
    | PersonNotReached
    | OutsideBarred
    | LoopCut
    | CallAnswered
    | TerminalReached
    | PromptUnheard
    | CallTransferred
    | TransferFailed
    | LegMoved
    | LegFinished
    | CallEnded
    | DeviceRegistered
    | DeviceUnregistered
    | TrunkChanged
    | TrunkServerChanged
    | ConfigurationChanged
    | CommandAccepted
    | CommandCompleted
    | CommandFailed
)


class Record(Struct, frozen=True):
    """An entry with its place in the company's journal: `seq` counts 1, 2, 3 … without a gap."""

    company: CompanyId
    seq: int
    at: datetime
    """UTC."""
    entry: Entry
