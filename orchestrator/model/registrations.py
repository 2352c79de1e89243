"""The words for where devices are registered now, and whether trunks are."""

from datetime import datetime

from attrs import frozen

from orchestrator.model.identifiers import BindingId, CompanyId, DeviceId, TrunkId


@frozen
class Registration:
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


@frozen
class TrunkState:
    """What is known of a trunk. One that does not register is always `registered`: there is nothing to lose."""

    company: CompanyId
    trunk: TrunkId
    registered: bool
    status: int = 0
    """SIP status of the last answer to our register, 0 before the first."""
    reason: str = ""
