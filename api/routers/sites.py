"""Offices: where people sit."""

from fastapi import APIRouter
from starlette.responses import Response

from api import directory
from api.directory import IfMatch, IfNoneMatch
from api.schemas import Cursor, Id, IdPath, In, Limit, Out, Page, Text
from api.security import DirectoryRead, DirectoryWrite

router = APIRouter(prefix="/sites", tags=["directory"])


class SiteIn(In):
    """An office."""

    id: Id | None = None
    name: Text


class SiteOut(Out, SiteIn):
    """An office as shown."""

    version: int


@router.get("", operation_id="listSites", response_model=Page[SiteOut])
async def list_sites(access: DirectoryRead, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """All sites, by id."""
    return directory.page(access, "site", cursor, limit)


@router.get("/{site}", operation_id="getSite", response_model=SiteOut)
async def show(access: DirectoryRead, site: IdPath) -> Response:
    """One site."""
    return directory.show(access, "site", site)


@router.put("/{site}", operation_id="putSite", response_model=SiteOut, responses={201: {"model": SiteOut}})
async def put(
    access: DirectoryWrite,
    site: IdPath,
    body: SiteIn,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Change a site (`If-Match`) or make one (`If-None-Match: *`)."""
    return await directory.put(access, "site", site, body, if_match, if_none_match)


@router.delete("/{site}", operation_id="deleteSite", status_code=204)
async def delete(access: DirectoryWrite, site: IdPath, if_match: IfMatch = None) -> Response:
    """Remove a site. Refused while somebody sits there."""
    return await directory.delete(access, "site", site, if_match)
