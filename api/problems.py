"""Every error that a client sees: RFC 9457 problems with a stable `code`. The codes are part of the contract."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Self

import msgspec
from attrs import field, frozen
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response


class ErrorItem(BaseModel):
    """One thing that is wrong with the input."""

    pointer: str = Field(
        description="JSON pointer into the body, or `query/limit` and the like", max_length=2_000
    )
    code: str = Field(max_length=100)
    detail: str = Field(max_length=2_000)


class ProblemBody(BaseModel):
    """RFC 9457 problem details."""

    type: str = Field(description="`urn:tandem:problem:` and the code", max_length=200)
    title: str = Field(max_length=200)
    status: int = Field(ge=400, le=599)
    code: str = Field(description="Stable; programs decide by it", max_length=100)
    detail: str = Field(default="", max_length=2_000)
    instance: str = Field(default="", description="The request's id", max_length=200)
    errors: list[ErrorItem] = Field(default=[], max_length=1_000)


@frozen
class Wrong:
    """One wrong piece of input."""

    pointer: str
    code: str
    detail: str


@frozen(eq=False)
class Problem(Exception):
    """Raised anywhere in a route; answered as `application/problem+json`."""

    code: str
    detail: str = ""
    errors: Sequence[Wrong] = ()
    headers: Mapping[str, str] = field(factory=dict)
    extra: Mapping[str, Any] = field(factory=dict)
    """Further members of the body (RFC 9457 §3.2)."""

    @property
    def status(self) -> int:
        """The HTTP status of its code."""
        return CODES[self.code][0]

    @classmethod
    def of_validation(cls, error: RequestValidationError) -> Self:
        """The problem behind input that does not fit its schema."""
        found = error.errors()
        wrong = [Wrong(_pointer(e["loc"]), e["type"], e["msg"]) for e in found[:MAX_ERRORS]]
        return cls("invalid_input", f"{len(found)} of the given values cannot be used", wrong)

    @classmethod
    def of_http(cls, error: HTTPException) -> Self:
        """The problem behind an error of the web framework: no route, wrong method, unreadable body."""
        code = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}.get(
            error.status_code, "bad_request"
        )
        return cls(
            code, "" if error.status_code in (404, 405) else str(error.detail), headers=error.headers or {}
        )


def answer(problem: Problem, request_id: str = "") -> Response:
    """The response that tells a problem."""
    status, title = CODES[problem.code]
    body = {
        "type": f"urn:tandem:problem:{problem.code}",
        "title": title,
        "status": status,
        "code": problem.code,
        "detail": problem.detail,
        "instance": f"urn:tandem:request:{request_id}" if request_id else "",
        "errors": [{"pointer": w.pointer, "code": w.code, "detail": w.detail} for w in problem.errors],
        **problem.extra,
    }
    return Response(msgspec.json.encode(body), status, headers=dict(problem.headers), media_type=MEDIA_TYPE)


def request_id_of(request: Request) -> str:
    """The id that the frame gave this request."""
    return str(request.scope.get("tandem.request_id", ""))


def _pointer(loc: Sequence[str | int]) -> str:
    where, *path = (str(part).replace("~", "~0").replace("/", "~1") for part in loc)
    return "/" + "/".join(path) if where == "body" else "/".join((where, *path))


MEDIA_TYPE: Final = "application/problem+json"
MAX_ERRORS: Final = 200

CODES: Final[Mapping[str, tuple[int, str]]] = {
    "bad_request": (400, "The request cannot be read"),
    "invalid_input": (422, "The input is not valid"),
    "invalid_configuration": (422, "The configuration was refused; nothing changed"),
    "company_required": (400, "This key sees several companies; name one"),
    "idempotency_key_required": (400, "This request needs an Idempotency-Key header"),
    "idempotency_key_reused": (422, "This Idempotency-Key was used with another request"),
    "unauthenticated": (401, "An API key is needed"),
    "token_expired": (401, "The API key has expired"),
    "forbidden": (403, "The API key may not do this"),
    "not_found": (404, "There is no such thing"),
    "method_not_allowed": (405, "This cannot be done here"),
    "request_timeout": (408, "The request took too long to arrive"),
    "state_conflict": (409, "The thing is not in a state for this"),
    "request_in_flight": (409, "The first request with this Idempotency-Key still runs"),
    "outcome_unknown": (
        409,
        "The first request with this Idempotency-Key was begun; its outcome is not known",
    ),
    "cursor_expired": (410, "The event stream no longer reaches back so far"),
    "etag_mismatch": (412, "The thing was changed meanwhile"),
    "too_large": (413, "The request is too large"),
    "etag_required": (428, "Changing this needs an If-Match header"),
    "rate_limited": (429, "Too many requests"),
    "internal_error": (500, "A fault of the exchange"),
    "overloaded": (503, "The exchange is busy; try again"),
    "storage_unavailable": (503, "The exchange cannot write now; try again"),
}
