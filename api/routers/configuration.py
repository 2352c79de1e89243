"""A whole company as one document: what `tandem apply` sends, and `tandem export` gets."""

from functools import partial
from typing import Annotated, Any

import msgspec
import trio
from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from api.bodies import DOCUMENT, Bodies
from api.documents import read_document
from api.problems import Problem
from api.schemas import Out
from api.security import Access, DirectoryRead, DirectoryWrite
from orchestrator.configuration.document import Plan

router = APIRouter(prefix="/configuration", tags=["directory"])
Yes = Annotated[bool, Query(description="Only tell what would change")]


class PlanOut(Out):
    """What applying a document changed, or would change."""

    company: str
    changes: list[str] = Field(
        description="Lines such as `person anna: extension 101 → 111`; empty: nothing to do"
    )
    applied: bool


_DOCUMENT: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            kind: {"schema": {"type": "object", "required": ["company", "name", "domain", "terminal"]}}
            for kind in ("application/json", "application/yaml")
        },
    }
}


@router.post("", operation_id="applyConfiguration", response_model=PlanOut, openapi_extra=_DOCUMENT)
async def apply(request: Request, access: DirectoryWrite, dry_run: Yes = False) -> object:
    """Make the company exactly what the document says, wholly or not at all. Applying it twice changes nothing more.

    A key of one company applies only that company, and changes neither its trunks nor its emergency numbers. The
    operator's key does both, and makes new companies.
    """
    bodies: Bodies = request.app.state.bodies
    holder = access.principal.company or ""
    async with bodies.taken(request.receive, request.headers, DOCUMENT, holder) as body:
        document = await read_document(body, request.headers.get("content-type", ""))
        return await _apply(access, document, dry_run)


async def _apply(access: Access, document: object, dry_run: bool) -> object:
    if not isinstance(document, dict):
        raise Problem("invalid_input", "the document must be a mapping")
    who = access.principal
    own, named = who.company, document.get("company")
    if (own is not None and named != own) or access.wanted not in (None, named):
        raise Problem("not_found", "no such company")
    if dry_run:
        planned = partial(access.exchange.plan, document, as_operator=who.is_operator)
        plan: Plan = await trio.to_thread.run_sync(planned)
    else:
        plan = await access.exchange.apply(document, by=who.name, as_operator=who.is_operator)
    return {"company": plan.company, "changes": list(plan.changes), "applied": not dry_run}


@router.get("", operation_id="exportConfiguration", response_model=dict[str, Any])
async def export(access: DirectoryRead) -> Response:
    """The company as one document, without secrets. Applying it again changes nothing."""
    document = access.exchange.export(access.company)
    return Response(msgspec.json.encode(document), media_type="application/json")
