"""The words for where devices are registered now, and whether trunks are."""

import enum
from datetime import datetime

from attrs import frozen
from msgspec import Struct

from orchestrator.model.identifiers import BindingId, CompanyId, DeviceId, TrunkId


class Registration(Struct, frozen=True):
    """One binding of a device (RFC 3261 §10), with all that lets it outlive a restart."""

    company: CompanyId
    device: DeviceId
    contact: str
    source: str
    """"address:port" that the register came from."""
    transport: str
    expires_at: datetime
    """UTC."""
    call_id: str
    cseq: int
    user_agent: str = ""
    path: tuple[str, ...] = ()
    binding: BindingId | None = None
    """None for one that was read from the store and not yet taken over by the switch."""
    instance: str | None = None
    """Which phone it is, if it says (RFC 5626): one that comes back by another way replaces its old place."""


class Standing(enum.Enum):
    """How a trunk and we stand."""

    BY_ADDRESS = "by_address"
    """Each knows the other by its address; whether anybody is there shows only in a call."""
    REGISTERING = "registering"
    """No answer to our register yet."""
    REGISTERED = "registered"
    REFUSED = "refused"
    """The newest register failed; `status` and `reason` say how. It is tried again, at the latest after two minutes."""
    REACHABLE = "reachable"
    """Known by its address, asked by OPTIONS, and answers."""
    UNREACHABLE = "unreachable"
    """Known by its address, and none of its servers answers; or its host has no address."""


class Answering(enum.Enum):
    """Whether a server answers."""

    UNKNOWN = "unknown"
    """Nobody asks it by OPTIONS, and calls have not failed there."""
    UP = "up"
    DOWN = "down"


@frozen
class TrunkServer:
    """One server of a trunk."""

    host: str
    """As configured."""
    address: str | None
    """"address:port"; None: the host has none."""
    state: Answering
    registered: bool = False
    """Whether it is the one that we are registered with."""
    status: int = 0
    """Why it is down, as a SIP status: 408 for no answer, 503 also for no connection or address."""
    reason: str = ""

    @property
    def text(self) -> str:
        """For people."""
        if self.address is None:
            return self.host
        is_same = self.address.rpartition(":")[0].strip("[]") == self.host.strip("[]")
        return self.address if is_same else f"{self.host} ({self.address})"


@frozen
class TrunkState:
    """What is known of a trunk."""

    company: CompanyId
    trunk: TrunkId
    state: Standing
    status: int = 0
    """SIP status of the last answer to our register, or of what makes it unreachable; 408 for none, 503 for no way, 0
    before the first."""
    reason: str = ""
    servers: tuple[TrunkServer, ...] = ()
    """By the order of its hosts. Empty before anything is known of them."""
