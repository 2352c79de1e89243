"""Sources that are not listened to for a time. They are the whole exchange's, so only the operator sees them."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from api.directory import decode_cursor, encode_cursor
from api.problems import Problem
from api.schemas import Cursor, IdPath, Limit, Out, Page
from api.security import Access, Admin
from orchestrator.model.bans import BanReason, BanView

router = APIRouter(prefix="/bans", tags=["operations"])


class BanOut(Out):
    """One source that is not listened to."""

    source: str = Field(
        description="An IPv4 address, or the first of an IPv6 /64, which counts as one source"
    )
    network: str = Field(description="The same as firewalls write it, such as 2001:db8:1:2::/64")
    reason: BanReason
    since: datetime
    ends_at: datetime
    left_s: int = Field(description="Until it ends, by the clock of the exchange")
    times: int = Field(description="How many bans there were, this one included")
    account: str = Field(description="Whose password was tried last, which need not exist; empty for none")


class BanPage(Page[BanOut]):
    """Bans by source."""

    total: int = Field(description="Of all pages")


@router.get("", operation_id="listBans", response_model=BanPage)
async def list_bans(access: Admin, cursor: Cursor = None, limit: Limit = 50) -> object:
    """Who is banned now. For the operator's key alone."""
    found: list[BanView] = _operator(access).exchange.bans()
    total = len(found)
    if cursor is not None:
        after = decode_cursor(cursor)[0]
        found = [ban for ban in found if ban.source > after]
    following = encode_cursor(found[limit - 1].source) if len(found) > limit else None
    return {"items": found[:limit], "next_cursor": following, "total": total}


@router.delete("/{source}", operation_id="liftBan", status_code=204)
async def lift(access: Admin, source: IdPath) -> Response:
    """Listen to a source again, as if it had never been banned. For the operator's key alone."""
    _operator(access).exchange.lift_ban(source, by=access.principal.name)
    return Response(status_code=204)


def _operator(access: Access) -> Access:
    if not access.principal.is_operator:
        raise Problem("forbidden", "bans are the operator's: they hold for all companies")
    return access
