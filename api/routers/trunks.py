"""Links to carriers, and how they stand."""

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from api import directory
from api.directory import IfMatch, IfNoneMatch
from api.schemas import E164, Cursor, Id, IdPath, In, Limit, Out, Page, Text
from api.security import DirectoryRead, DirectoryWrite
from orchestrator.model.registrations import Standing, TrunkState

router = APIRouter(tags=["directory"])


class _Trunk(In):
    id: Id | None = None
    host: Text
    port: int = Field(default=5060, ge=1, le=65_535, description="Left out over TLS: 5061")
    transport: Literal["udp", "tcp", "tls"] = "udp"
    caller_number: E164
    sources: list[Text] = Field(
        default=[], max_length=100, description="Further addresses or networks of the carrier"
    )
    register_: bool = Field(default=False, alias="register", description="Register there")
    username: Text | None = None
    realm: Text | None = Field(default=None, description="Pinned: no other is answered")
    max_calls: int | None = Field(default=None, ge=1, le=100_000)
    early_media: bool = Field(default=True, description="Let callers hear what the carrier says before the answer")


class TrunkIn(_Trunk):
    """A link to a carrier. Without a password it keeps the one that it has."""

    password: Annotated[str, Field(max_length=200)] | None = None
    ha1_md5: Annotated[str, Field(max_length=32)] | None = None
    ha1_sha256: Annotated[str, Field(max_length=64)] | None = None


class TrunkOut(Out, _Trunk):
    """A trunk without its secrets."""

    version: int


class TrunkStateOut(Out):
    """How a trunk stands. One known by its address shows only in calls whether it works."""

    trunk: str
    state: Standing
    status: int = Field(
        description="SIP status of the last answer to a register: 408 for none, 503 for no way, 0 before the first"
    )
    reason: str


@router.get("/trunks", operation_id="listTrunks", response_model=Page[TrunkOut])
async def list_trunks(access: DirectoryRead, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """All trunks, by id."""
    return directory.page(access, "trunk", cursor, limit)


@router.get("/trunk-states", operation_id="listTrunkStates")
async def states(access: DirectoryRead) -> Annotated[list[TrunkStateOut], Field(max_length=200)]:
    """How each trunk stands. A company has at most 200."""
    found: list[TrunkState] = list(access.exchange.trunk_states(access.company))
    return [TrunkStateOut.model_validate(state) for state in found]


@router.get("/trunks/{trunk}", operation_id="getTrunk", response_model=TrunkOut)
async def show(access: DirectoryRead, trunk: IdPath) -> Response:
    """One trunk."""
    return directory.show(access, "trunk", trunk)


@router.put(
    "/trunks/{trunk}", operation_id="putTrunk", response_model=TrunkOut, responses={201: {"model": TrunkOut}}
)
async def put(
    access: DirectoryWrite,
    trunk: IdPath,
    body: TrunkIn,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Change a trunk (`If-Match`) or make one (`If-None-Match: *`). For the operator's key alone."""
    return await directory.put(access, "trunk", trunk, body, if_match, if_none_match)


@router.delete("/trunks/{trunk}", operation_id="deleteTrunk", status_code=204)
async def delete(access: DirectoryWrite, trunk: IdPath, if_match: IfMatch = None) -> Response:
    """Remove a trunk. Its calls go on. For the operator's key alone."""
    return await directory.delete(access, "trunk", trunk, if_match)
