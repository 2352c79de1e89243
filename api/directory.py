"""The five things that can be done with a configuration object, the same for each kind: list, show, put, delete.

Every object has a version, told as its ETag. Changing one needs `If-Match` with the version that was read, or
`If-None-Match: *` to make a new one: so nobody overwrites what he has not seen.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from fastapi import Header
from pydantic import BaseModel
from starlette.responses import Response

from api.problems import Problem
from api.security import Access
from orchestrator.configuration.document import Document, Kind

IfMatch = Annotated[str | None, Header(max_length=100, description='The ETag that was read, such as `"3"`')]
IfNoneMatch = Annotated[str | None, Header(max_length=100, description="`*` to make a new one")]


def page(access: Access, kind: Kind, cursor: str | None, limit: int) -> Response:
    """One page, by id."""
    after = decode_cursor(cursor)[0] if cursor is not None else None
    found = access.exchange.documents(access.company, kind, after=after, limit=limit + 1)
    following = encode_cursor(found[limit - 1].id) if len(found) > limit else None
    items = [_shown(document) for document in found[:limit]]
    return _json({"items": items, "next_cursor": following})


def show(access: Access, kind: Kind, id: str) -> Response:
    """One object."""
    document = access.exchange.document(access.company, kind, id)
    if document is None:
        raise Problem("not_found", f"no {kind} {id!r}")
    return _told(document, 200)


async def put(
    access: Access, kind: Kind, id: str, body: BaseModel, if_match: str | None, if_none_match: str | None
) -> Response:
    """Change an object or make one."""
    version = _version(if_match, if_none_match)
    content = body.model_dump(mode="json", exclude_unset=True, by_alias=True)
    who = access.principal
    document = await access.exchange.put(
        access.company, kind, id, content, if_version=version, by=who.name, as_operator=who.is_operator
    )
    return _told(document, 201 if version == 0 else 200)


async def delete(access: Access, kind: Kind, id: str, if_match: str | None) -> Response:
    """Remove an object."""
    version = _version(if_match, None)
    who = access.principal
    await access.exchange.delete(
        access.company, kind, id, if_version=version, by=who.name, as_operator=who.is_operator
    )
    return Response(status_code=204)


def _version(if_match: str | None, if_none_match: str | None) -> int:
    if if_none_match is not None and if_match is None:
        if if_none_match.strip() != "*":
            raise Problem("invalid_input", "If-None-Match takes only *")
        return 0
    if if_match is None:
        raise Problem("etag_required")
    tag = _TAG.fullmatch(if_match.strip())
    if tag is None:
        raise Problem("etag_mismatch", 'If-Match takes one ETag, such as "3"')
    return int(tag[1])


def _shown(document: Document) -> Mapping[str, Any]:
    return {**document.body, "version": document.version}


def _told(document: Document, status: int) -> Response:
    return _json(_shown(document), status, {"ETag": f'"{document.version}"'})


def _json(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(
        msgspec.json.encode(value), status, headers=dict(headers or {}), media_type="application/json"
    )


def encode_cursor(*place: str) -> str:
    """An opaque place in a list."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def decode_cursor(cursor: str, parts: int = 1) -> tuple[str, ...]:
    """The place of so many parts behind a cursor. Raises `bad_cursor` if it is none of ours."""
    try:
        place = msgspec.json.decode(
            base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=tuple[str, ...]
        )
    except (msgspec.DecodeError, binascii.Error, ValueError) as error:
        raise bad_cursor() from error
    if len(place) != parts:
        raise bad_cursor()
    return place


def bad_cursor() -> Problem:
    """What a client hears whose cursor did not come from this list."""
    return Problem("bad_request", "this `cursor` is none of this list; leave it out to get the first page")


_TAG: Final = re.compile(r'"([0-9]{1,9})"')
