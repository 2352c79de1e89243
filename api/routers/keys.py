"""API keys. A key's secret is shown once, when it is made, and kept as a hash only."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import AwareDatetime, Field
from starlette.responses import Response

from api.directory import decode_cursor, encode_cursor
from api.idempotency import IdempotencyKey, once
from api.problems import Problem
from api.schemas import Cursor, Id, IdPath, In, Limit, Out, Page
from api.security import Access, Admin
from orchestrator.model.access import SCOPES, KeyView, Scope
from orchestrator.model.identifiers import CompanyId

router = APIRouter(prefix="/keys", tags=["keys"])


class KeyIn(In):
    """A new key."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    scopes: list[Scope] = Field(min_length=1, max_length=len(SCOPES))
    company: Id | None = Field(
        default=None, description="null: all companies; only the operator makes such keys"
    )
    expires_at: AwareDatetime | None = None


class KeyOut(Out):
    """A key as it may be shown."""

    id: str
    name: str
    company: str | None
    scopes: list[str] = Field(max_length=len(SCOPES))
    created_at: datetime
    expires_at: datetime | None


class KeyMade(KeyOut):
    """A key that was just made."""

    secret: str | None = Field(description="Shown this once; null when the answer is repeated")


@router.get("", operation_id="listKeys", response_model=Page[KeyOut])
async def list_keys(access: Admin, cursor: Cursor = None, limit: Limit = 50) -> object:
    """The company's keys; all of them for the operator."""
    found = sorted(await _visible(access), key=lambda k: k.id)
    if cursor is not None:
        after = decode_cursor(cursor)[0]
        found = [k for k in found if k.id > after]
    following = encode_cursor(found[limit - 1].id) if len(found) > limit else None
    return {"items": [_shown(k) for k in found[:limit]], "next_cursor": following}


@router.post("", operation_id="createKey", status_code=201, response_model=KeyMade)
async def create(
    request: Request, access: Admin, body: KeyIn, idempotency_key: IdempotencyKey = None
) -> Response:
    """Make a key. Its secret is never kept, so a repeated answer carries none."""
    own = access.principal.company
    if own is not None and body.company not in (None, own):
        raise Problem("not_found", "no such company")
    company = own if own is not None else CompanyId(body.company) if body.company is not None else None
    if company is not None:
        access.exchange.directory(company)
    secrets: list[str] = []

    async def action() -> object:
        view, secret = await access.exchange.create_key(
            company=company, name=body.name, scopes=frozenset(body.scopes), expires_at=body.expires_at
        )
        secrets.append(secret)
        return KeyMade.model_validate({**_shown(view), "secret": None}).model_dump(mode="json")

    response = await once(request, access, company, idempotency_key, 201, action)
    if not secrets:
        return response
    made = KeyMade.model_validate_json(bytes(response.body))
    made.secret = secrets[0]
    return Response(made.model_dump_json(), 201, media_type="application/json")


@router.delete("/{key}", operation_id="revokeKey", status_code=204)
async def revoke(access: Admin, key: IdPath) -> Response:
    """Make a key useless from now on."""
    if all(k.id != key for k in await _visible(access)):
        raise Problem("not_found", "no such key")
    await access.exchange.revoke_key(key)
    return Response(status_code=204)


async def _visible(access: Access) -> list[KeyView]:
    own = access.principal.company
    return [k for k in await access.exchange.keys() if own is None or k.company == own]


def _shown(key: KeyView) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "company": key.company,
        "scopes": sorted(key.scopes),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
    }
