"""People, their devices, and where a caller goes on when they cannot be reached."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from api import directory
from api.directory import IfMatch, IfNoneMatch
from api.schemas import E164, Cursor, Id, IdPath, In, Limit, Out, Page, Text
from api.security import DirectoryRead, DirectoryWrite
from orchestrator.model.directory import DeviceKind, RingStrategy

router = APIRouter(prefix="/people", tags=["directory"])


class Destination(In):
    """Where to: exactly one of `person`, `outside`, `announcement`; only the last may have a `then`."""

    person: Id | None = None
    outside: E164 | None = None
    announcement: Text | None = None
    then: "Destination | None" = None


class NextSteps(In):
    """What follows when a person cannot be reached; what is missing leads to the company's terminal."""

    do_not_disturb: Destination | None = None
    offline: Destination | None = None
    busy: Destination | None = None
    declined: Destination | None = None
    unreachable: Destination | None = None
    no_answer: Destination | None = None


class _Device(In):
    id: Id
    kind: DeviceKind
    label: Text | None = None
    delay_s: float = Field(
        default=0.0, ge=0, le=600, description="With the strategy `as_card`: rings from here on"
    )
    ring_s: float = Field(default=20.0, ge=1, le=600)
    number: E164 | None = Field(
        default=None, description="Rung through a trunk; without it the device registers"
    )
    username: Text | None = Field(default=None, description="As the phone registers; the id if not given")
    sha256: bool | None = Field(default=None, description="Offer digest by SHA-256 too (RFC 8760)")


class DeviceIn(_Device):
    """A phone that registers, or an outside number. Without a password it keeps the one that it has."""

    password: Annotated[str, Field(max_length=200)] | None = None
    ha1_md5: Annotated[str, Field(max_length=32)] | None = None
    ha1_sha256: Annotated[str, Field(max_length=64)] | None = None


class DeviceShown(_Device):
    """A device without its secrets."""


class _Person(In):
    id: Id | None = Field(default=None, description="As in the path, or left out")
    name: Text
    extension: Annotated[str, Field(pattern="^[0-9]{2,6}$")]
    strategy: RingStrategy = RingStrategy.SERIAL
    next: NextSteps | None = None
    do_not_disturb: bool = False
    call_limit: int | None = Field(default=None, ge=1, le=1_000, description="Calls at once; above it: busy")
    site: Id | None = None
    role: Text | None = None
    freelancer: bool = False
    time_zone: Text | None = None
    class_of_service: Id | None = Field(default=None, description="What they may do towards the outside")


class PersonIn(_Person):
    """Somebody with a short number."""

    devices: list[DeviceIn] = Field(default=[], max_length=20)


class PersonOut(Out, _Person):
    """A person as shown."""

    devices: list[DeviceShown] = Field(default=[], max_length=20)
    version: int


@router.get("", operation_id="listPeople", response_model=Page[PersonOut])
async def list_people(access: DirectoryRead, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """All people, by id."""
    return directory.page(access, "person", cursor, limit)


@router.get("/{person}", operation_id="getPerson", response_model=PersonOut)
async def show(access: DirectoryRead, person: IdPath) -> Response:
    """One person."""
    return directory.show(access, "person", person)


@router.put(
    "/{person}", operation_id="putPerson", response_model=PersonOut, responses={201: {"model": PersonOut}}
)
async def put(
    access: DirectoryWrite,
    person: IdPath,
    body: PersonIn,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Change a person (`If-Match`) or make one (`If-None-Match: *`)."""
    return await directory.put(access, "person", person, body, if_match, if_none_match)


@router.delete("/{person}", operation_id="deletePerson", status_code=204)
async def delete(access: DirectoryWrite, person: IdPath, if_match: IfMatch = None) -> Response:
    """Remove a person. Refused while something leads to them."""
    return await directory.delete(access, "person", person, if_match)
