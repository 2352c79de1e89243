"""Who asks, and what they may do. Every route but health names the scope that it needs; the rest is refused.

A key belongs to one company, and sees others' things as absent (404). The operator's key belongs to none: it names a
company by the `company` parameter or the `X-Company` header, or means the only one there is.
"""

from typing import Annotated, Final

import trio
from attrs import define, frozen
from fastapi import Depends, Header, Query, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from api.problems import Problem
from orchestrator.app import Exchange
from orchestrator.model.access import Principal
from orchestrator.model.identifiers import CompanyId

_bearer = HTTPBearer(auto_error=False, scheme_name="key", description="An API key: `Authorization: Bearer …`")


@frozen
class Access:
    """A principal that holds the scope of the route, and the exchange."""

    principal: Principal
    exchange: Exchange
    wanted: str | None
    """The company that was named, if any."""

    @property
    def company(self) -> CompanyId:
        """The company that is meant. Raises a `Problem` if that is none, or not the asker's."""
        own = self.principal.company
        if own is not None:
            if self.wanted not in (None, own):
                raise Problem("not_found")
            return own
        known = [c.id for c in self.exchange.companies()]
        if not known:
            raise Problem("not_found", "there is no company yet; make one: tandem apply FILE")
        if self.wanted is None and len(known) == 1:
            return known[0]
        if self.wanted is None:
            raise Problem("company_required", "name it as `company` (in the command line --company)")
        if self.wanted not in known:
            raise Problem("not_found", "no such company")
        return CompanyId(self.wanted)


async def principal_of(
    request: Request,
    scopes: SecurityScopes,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Principal:
    """Raises a `Problem` unless a valid key that holds all of `scopes` is given."""
    if credentials is None:
        raise Problem("unauthenticated", headers={"WWW-Authenticate": "Bearer"})
    exchange: Exchange = request.app.state.exchange
    found = None
    if len(credentials.credentials) <= MAX_KEY:
        found = await exchange.authenticate(credentials.credentials)
    if found is None:
        expired = await exchange.has_expired(credentials.credentials)
        code = "token_expired" if expired else "unauthenticated"
        raise Problem(code, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
    buckets: Buckets = request.app.state.buckets
    request.scope["tandem.headers"] = buckets.take(found.key_id)
    if not all(found.may(scope) for scope in scopes.scopes):
        raise Problem("forbidden", f"needs {', '.join(scopes.scopes)}")
    return found


async def access_of(
    request: Request,
    principal: Annotated[Principal, Depends(principal_of)],
    company: Annotated[
        str | None, Query(max_length=64, description="For keys that see several companies")
    ] = None,
    x_company: Annotated[str | None, Header(max_length=64, description="As `company`")] = None,
) -> Access:
    """The access behind a request."""
    return Access(principal, request.app.state.exchange, company or x_company)


CallsRead = Annotated[Access, Security(access_of, scopes=["calls.read"])]
CallsWrite = Annotated[Access, Security(access_of, scopes=["calls.write"])]
DirectoryRead = Annotated[Access, Security(access_of, scopes=["directory.read"])]
DirectoryWrite = Annotated[Access, Security(access_of, scopes=["directory.write"])]
RecordsRead = Annotated[Access, Security(access_of, scopes=["records.read"])]
EventsRead = Annotated[Access, Security(access_of, scopes=["events.read"])]
MetricsRead = Annotated[Access, Security(access_of, scopes=["metrics.read"])]
SipRead = Annotated[Access, Security(access_of, scopes=["sip.read"])]
Admin = Annotated[Access, Security(access_of, scopes=["admin"])]


@define
class _Bucket:
    tokens: float
    filled_at: float


class Buckets:
    """A token bucket per key: `BURST` requests at once, `PER_SECOND` in the long run."""

    def __init__(self) -> None:
        self._buckets: dict[str, _Bucket] = {}

    def take(self, key: str) -> dict[str, str]:
        """Take a token; the `RateLimit-*` headers that tell what is left. Raises a `Problem` if none is."""
        now = trio.current_time()
        bucket = self._buckets.pop(key, None) or _Bucket(BURST, now)
        bucket.tokens = min(BURST, bucket.tokens + (now - bucket.filled_at) * PER_SECOND)
        bucket.filled_at = now
        while len(self._buckets) >= MAX_BUCKETS:
            del self._buckets[next(iter(self._buckets))]
        self._buckets[key] = bucket
        if bucket.tokens < 1:
            raise Problem("rate_limited", headers={"Retry-After": "1", **_told(0)})
        bucket.tokens -= 1
        return _told(bucket.tokens)


def _told(tokens: float) -> dict[str, str]:
    return {
        "RateLimit-Limit": str(BURST),
        "RateLimit-Remaining": str(int(tokens)),
        "RateLimit-Reset": str(int((BURST - tokens) / PER_SECOND + 1)),
    }


MAX_KEY: Final = 256
BURST: Final = 400
PER_SECOND: Final = 200.0
MAX_BUCKETS: Final = 10_000
