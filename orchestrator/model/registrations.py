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


@frozen
class TrunkState:
    """What is known of a trunk."""

    company: CompanyId
    trunk: TrunkId
    state: Standing
    status: int = 0
    """SIP status of the last answer to our register; 408 for none, 503 for no way, 0 before the first."""
    reason: str = ""
