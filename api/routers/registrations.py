"""Where devices are registered now."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import Field

from api.directory import decode_cursor, encode_cursor
from api.schemas import Cursor, Limit, Out, Page
from api.security import DirectoryRead

router = APIRouter(prefix="/registrations", tags=["directory"])


class RegistrationOut(Out):
    """One place where a device can be reached (RFC 3261 §10)."""

    device: str
    person: str | None = Field(description="Whose device it is")
    contact: str
    source: str = Field(description="Where the register came from")
    transport: str
    expires_at: datetime
    user_agent: str


class RegistrationPage(Page[RegistrationOut]):
    """Registrations by device."""

    total: int = Field(description="Of all pages")


@router.get("", operation_id="listRegistrations", response_model=RegistrationPage)
async def list_registrations(access: DirectoryRead, cursor: Cursor = None, limit: Limit = 50) -> object:
    """Devices that are online, each place once."""
    company = access.company
    found = sorted(access.exchange.registrations(company), key=lambda r: (r.device, r.contact))
    total = len(found)
    if cursor is not None:
        after = decode_cursor(cursor, 2)
        found = [r for r in found if (r.device, r.contact) > after]
    last = found[limit - 1] if len(found) > limit else None
    directory = access.exchange.directory(company)
    items = []
    for registration in found[:limit]:
        owner = directory.owner(registration.device)
        shown = {
            name: getattr(registration, name) for name in RegistrationOut.model_fields if name != "person"
        }
        items.append({**shown, "person": owner.id if owner else None})
    return {
        "items": items,
        "next_cursor": encode_cursor(last.device, last.contact) if last else None,
        "total": total,
    }
