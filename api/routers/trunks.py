"""Links to carriers, and how they stand."""

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from api import directory
from api.directory import IfMatch, IfNoneMatch
from api.schemas import E164, Cursor, Id, IdPath, In, Limit, Out, Page, Text
from api.security import DirectoryRead, DirectoryWrite
from orchestrator.model.registrations import Answering, Standing, TrunkState

router = APIRouter(tags=["directory"])


_Port = Annotated[int, Field(ge=1, le=65_535)]
_Rank = Annotated[int, Field(ge=0, le=65_535)]


class TrunkHost(In):
    """One of several hosts of a carrier."""

    host: Text
    port: _Port | None = None
    priority: _Rank = Field(default=0, description="Lower ones are tried first")
    weight: _Rank = Field(default=0, description="Its share among those of one priority")


class _Trunk(In):
    id: Id | None = None
    host: Text | None = Field(default=None, description="The only one; or give `hosts`")
    port: _Port | None = Field(
        default=None, description="Left out, DNS says where it is (SRV); without that 5060, over TLS 5061"
    )
    hosts: Annotated[list[TrunkHost], Field(max_length=16)] | None = Field(
        default=None, description="Several, tried one after the other"
    )
    failover_s: float = Field(
        default=4.0, ge=1.0, le=30.0, description="How long a server may be silent before the next is tried"
    )
    health_s: float | None = Field(
        default=None, ge=5.0, le=3600.0, description="How often each server is asked by OPTIONS; null: never"
    )
    transport: Literal["udp", "tcp", "tls"] = "udp"
    caller_number: E164
    sources: list[Text] = Field(
        default=[], max_length=100, description="Further addresses or networks of the carrier"
    )
    register_: bool = Field(default=False, alias="register", description="Register there")
    username: Text | None = None
    realm: Text | None = Field(default=None, description="Pinned: no other is answered")
    max_calls: int | None = Field(default=None, ge=1, le=100_000)
    early_media: bool = Field(
        default=True, description="Let callers hear what the carrier says before the answer"
    )


class TrunkIn(_Trunk):
    """A link to a carrier. Without a password it keeps the one that it has."""

    password: Annotated[str, Field(max_length=200)] | None = None
    ha1_md5: Annotated[str, Field(max_length=32)] | None = None
    ha1_sha256: Annotated[str, Field(max_length=64)] | None = None


class TrunkOut(Out, _Trunk):
    """A trunk without its secrets."""

    version: int


class TrunkServerOut(Out):
    """One server of a trunk."""

    host: str
    address: str | None = Field(description="null: the host has none")
    state: Answering
    registered: bool = Field(description="Whether it is the one that we are registered with")
    status: int = Field(
        description="Why it is down: 408 for no answer, 503 also for no connection; 0 if it is not"
    )
    reason: str


class TrunkStateOut(Out):
    """How a trunk stands. One known by its address and not asked by OPTIONS shows only in calls whether it works."""

    trunk: str
    state: Standing
    status: int = Field(
        description="SIP status of the last answer to a register: 408 for none, 503 for no way, 0 before the first"
    )
    reason: str
    servers: Annotated[list[TrunkServerOut], Field(max_length=512)] = Field(
        description="By the order of the hosts; empty while nothing is known of them"
    )


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
