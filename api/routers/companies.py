"""The companies that a key sees."""

from typing import Any

from fastapi import APIRouter
from pydantic import Field

from api.directory import decode_cursor, encode_cursor
from api.problems import Problem
from api.schemas import Cursor, IdPath, Limit, Out, Page
from api.security import DirectoryRead
from orchestrator.model.directory import Company
from orchestrator.model.identifiers import CompanyId

router = APIRouter(prefix="/companies", tags=["directory"])


class ClassOfServiceOut(Out):
    """What a person may do towards the outside."""

    may_call: tuple[str, ...] = Field(description="Cost classes of numbers")
    may_transfer: bool
    may_forward: bool


class CeilingOut(Out):
    """Only the operator's key changes it."""

    prefixes: tuple[str, ...] | None = Field(description="How public numbers must begin; null: no matter how")


class CompanyOut(Out):
    """A company: what holds for all of its people and numbers."""

    id: str
    name: str
    domain: str = Field(description="Host part of its people's SIP addresses, and the digest realm")
    language: str
    time_zone: str
    country_code: str
    outside_trunk: str | None
    outside_prefixes: dict[str, str] | None = Field(
        description="Cost class by the beginning of a public number; null: those of the country are national"
    )
    classes_of_service: dict[str, ClassOfServiceOut] = Field(
        description="By name; `default` holds for the others"
    )
    ceiling: CeilingOut = Field(description="What the operator lets the company do")
    emergency_numbers: tuple[str, ...]


@router.get("", operation_id="listCompanies", response_model=Page[CompanyOut])
async def list_companies(access: DirectoryRead, cursor: Cursor = None, limit: Limit = 50) -> dict[str, Any]:
    """One's own; for the operator all."""
    own = access.principal.company
    found = sorted((c for c in access.exchange.companies() if own in (None, c.id)), key=lambda c: c.id)
    if cursor is not None:
        after = decode_cursor(cursor)[0]
        found = [c for c in found if c.id > after]
    following = encode_cursor(found[limit - 1].id) if len(found) > limit else None
    return {"items": found[:limit], "next_cursor": following}


@router.get("/{id}", operation_id="getCompany", response_model=CompanyOut)
async def show(access: DirectoryRead, id: IdPath) -> Company:
    """One company. Change it by `POST /configuration`."""
    own = access.principal.company
    for company in access.exchange.companies():
        if company.id == CompanyId(id) and own in (None, company.id):
            return company
    raise Problem("not_found", "no such company")
