"""Public numbers and where they lead."""

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from api import directory
from api.directory import IfMatch, IfNoneMatch
from api.routers.people import Destination
from api.schemas import E164, Cursor, In, Limit, Out, Page
from api.security import DirectoryRead, DirectoryWrite

router = APIRouter(prefix="/numbers", tags=["directory"])
NumberPath = Annotated[str, Path(max_length=32, description="`+74951234567`; in a URL `%2B74951234567`")]


class NumberIn(In):
    """A public number."""

    number: E164 | None = None
    to: Destination


class NumberOut(Out, NumberIn):
    """A public number as shown."""

    version: int


@router.get("", operation_id="listNumbers", response_model=Page[NumberOut])
async def list_numbers(access: DirectoryRead, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """All numbers, in order."""
    return directory.page(access, "number", cursor, limit)


@router.get("/{number}", operation_id="getNumber", response_model=NumberOut)
async def show(access: DirectoryRead, number: NumberPath) -> Response:
    """One number."""
    return directory.show(access, "number", number)


@router.put(
    "/{number}", operation_id="putNumber", response_model=NumberOut, responses={201: {"model": NumberOut}}
)
async def put(
    access: DirectoryWrite,
    number: NumberPath,
    body: NumberIn,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Change a number (`If-Match`) or add one (`If-None-Match: *`)."""
    return await directory.put(access, "number", number, body, if_match, if_none_match)


@router.delete("/{number}", operation_id="deleteNumber", status_code=204)
async def delete(access: DirectoryWrite, number: NumberPath, if_match: IfMatch = None) -> Response:
    """Remove a number."""
    return await directory.delete(access, "number", number, if_match)
