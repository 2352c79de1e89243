"""A POST that dials or makes something carries an `Idempotency-Key`, so that repeating it does no harm.

The first answer is kept for at least 24 hours and given again to the same key with the same request. Where nobody
knows how the first one ended, because a disk or the exchange failed in between, a repeat gets 409 and does nothing.
"""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec
from fastapi import Header, Request
from starlette.responses import Response

from api.problems import Problem
from api.security import Access
from orchestrator.model.identifiers import CompanyId

IdempotencyKey = Annotated[
    str | None, Header(max_length=255, description="Required. Any text that is new for each new wish")
]


async def once(
    request: Request,
    access: Access,
    company: CompanyId | None,
    key: str | None,
    status: int,
    action: Callable[[], Awaitable[object]],
) -> Response:
    """Answer with what `action` returned, now or the first time. Raises a `Problem` without a key."""
    if not key:
        raise Problem("idempotency_key_required")

    async def encoded() -> bytes:
        return msgspec.json.encode(await action())

    body, replayed = await access.exchange.once(company, key, await _fingerprint(request, access), encoded)
    headers = {"Idempotency-Replayed": "true"} if replayed else {}
    return Response(body, status, headers=headers, media_type="application/json")


async def _fingerprint(request: Request, access: Access) -> str:
    parts = (
        request.method.encode(),
        request.url.path.encode(),
        access.principal.key_id.encode(),
        await request.body(),
    )
    return hashlib.sha256(b"\0".join(parts)).hexdigest()
