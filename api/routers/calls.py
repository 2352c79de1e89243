"""Calls that go on: see them, make them, end them, transfer them, and hear why they went as they did."""

from datetime import datetime
from typing import Annotated, Literal

from attrs import asdict
from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from api.directory import decode_cursor, encode_cursor
from api.idempotency import IdempotencyKey, once
from api.problems import Problem
from api.schemas import CommandGiven, Cursor, Id, IdPath, In, Limit, Out, Page, WhoOut
from api.security import CallsRead, CallsWrite, SipRead
from orchestrator.model.calls import Direction
from orchestrator.model.identifiers import CallId, PersonId
from orchestrator.statistics.live import CallState

router = APIRouter(prefix="/calls", tags=["calls"])
Dialled = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[0-9+*#() .-]+$")]


class LiveCallOut(Out):
    """A call that goes on."""

    call: str
    direction: Direction
    caller: WhoOut
    called: str = Field(description="As dialled")
    started_at: datetime
    state: CallState
    since: datetime = Field(description="When it came into this state")
    to: str = Field(description="Where its number led: `person:anna`, `outside:+7…`, `announcement:welcome`")
    person: str | None = Field(
        description="Whom it seeks or talks to, where that is one of the company's people"
    )
    number: str | None = Field(description="The company's public number that was dialled")
    answered_by: WhoOut | None
    prompt: str | None


class LiveCallPage(Page[LiveCallOut]):
    """Calls that go on, the newest first."""

    seq: int = Field(description="The state is as of this event: follow from here without a gap")
    total: int = Field(description="Of all pages")


class Origination(In):
    """Ring `caller`'s devices; whoever answers is connected to `to`."""

    caller: Id = Field(description="A person")
    to: Dialled = Field(description="As that person would dial it")


class Transfer(In):
    """Connect one party to somebody else; the other is released at once."""

    mode: Literal["blind"] = "blind"
    to: Dialled
    leaving: Literal["caller", "callee"] = Field(default="callee", description="Who leaves the call")


class SentenceOut(Out):
    """One thing that happened, in words."""

    number: int
    seq: int
    at: datetime
    after_s: float = Field(description="Seconds since the call began")
    text: str


class TraceOut(Out):
    """Why a call went as it did."""

    call: str
    language: Literal["en", "ru"]
    sentences: list[SentenceOut] = Field(max_length=10_000)


class SipMessageOut(Out):
    """A SIP message that came or went, without secrets: each byte of one is an `x`."""

    at: datetime
    after_ms: int = Field(description="Milliseconds since the first message of the call")
    leg: int
    received: bool = Field(description="By the exchange; otherwise it sent it")
    transport: Literal["udp", "tcp", "tls", "ws", "wss"]
    local: str = Field(description="The exchange's address as the far end knows it")
    remote: str = Field(description="The far end's address")
    repeated: bool = Field(description="The same bytes came or went before")
    text: str = Field(description="All of it, with CRLF; what is no UTF-8 is U+FFFD")


class SipTraceOut(Out):
    """What a call looks like on the wire, oldest message first."""

    call: str
    messages: list[SipMessageOut] = Field(
        max_length=20_000, description="Empty where the call is over for long, or nothing is kept"
    )
    left_out: int = Field(description="So many are missing in the middle of legs that had too many")


@router.get("", operation_id="listCalls", response_model=LiveCallPage)
async def list_calls(
    access: CallsRead,
    cursor: Cursor = None,
    limit: Limit = 50,
    person: Annotated[
        str | None, Query(max_length=64, description="Only those that this person takes part in")
    ] = None,
    number: Annotated[
        str | None, Query(max_length=32, description="Only those to this public number")
    ] = None,
) -> object:
    """Calls that go on now."""
    company = access.company
    calls = sorted(access.exchange.live_calls(company), key=lambda c: c.call, reverse=True)
    if person is not None:
        calls = [
            c for c in calls if person in (c.person, c.caller.person, c.answered_by and c.answered_by.person)
        ]
    if number is not None:
        calls = [c for c in calls if c.number == number]
    total = len(calls)
    if cursor is not None:
        before = decode_cursor(cursor)[0]
        calls = [c for c in calls if c.call < before]
    following = encode_cursor(calls[limit - 1].call) if len(calls) > limit else None
    seq = access.exchange.last_seq(company)
    return {"items": calls[:limit], "next_cursor": following, "seq": seq, "total": total}


@router.get("/{call}", operation_id="getCall", response_model=LiveCallOut)
async def show(access: CallsRead, call: IdPath) -> object:
    """One call that goes on. Those that are over are call records."""
    found = access.exchange.live_call(access.company, CallId(call))
    if found is None:
        raise Problem("not_found", "no such call goes on")
    return found


@router.post("", operation_id="originateCall", status_code=202, response_model=CommandGiven)
async def originate(
    request: Request, access: CallsWrite, body: Origination, idempotency_key: IdempotencyKey = None
) -> Response:
    """Click to call."""
    company = access.company

    async def action() -> object:
        caller, by = PersonId(body.caller), access.principal.name
        return {"command_id": await access.exchange.originate(company, caller=caller, to=body.to, by=by)}

    return await once(request, access, company, idempotency_key, 202, action)


@router.post("/{call}/hangup", operation_id="hangUpCall", status_code=202, response_model=CommandGiven)
async def hang_up(
    request: Request, access: CallsWrite, call: IdPath, idempotency_key: IdempotencyKey = None
) -> Response:
    """End a call. The `Idempotency-Key` may be left out: ending twice is ending once."""
    company = access.company

    async def action() -> object:
        return {"command_id": await access.exchange.hang_up(company, CallId(call), by=access.principal.name)}

    if idempotency_key is None:
        return _given(await action())
    return await once(request, access, company, idempotency_key, 202, action)


@router.post("/{call}/transfers", operation_id="transferCall", status_code=202, response_model=CommandGiven)
async def transfer(
    request: Request, access: CallsWrite, call: IdPath, body: Transfer, idempotency_key: IdempotencyKey = None
) -> Response:
    """Transfer a call. If the target cannot be reached, the call comes back."""
    company = access.company

    async def action() -> object:
        by = access.principal.name
        command = await access.exchange.transfer(
            company, CallId(call), to=body.to, leaving=body.leaving, by=by
        )
        return {"command_id": command}

    return await once(request, access, company, idempotency_key, 202, action)


@router.get("/{call}/trace", operation_id="traceCall", response_model=TraceOut)
async def tell(access: CallsRead, call: IdPath, lang: Literal["en", "ru"] = "en") -> object:
    """Why each device rang or was skipped, in words. For calls that go on and those that are over."""
    sentences = await access.exchange.trace(access.company, CallId(call), lang)
    return {"call": call, "language": lang, "sentences": sentences}


@router.get("/{call}/sip", operation_id="traceCallSip", response_model=SipTraceOut)
async def show_sip(access: SipRead, call: IdPath) -> object:
    """The SIP messages of a call's legs, challenged and refused ones among them. Only for the operator's keys.

    Kept in memory for the newest calls since the start (`--sip-trace-calls`).
    """
    company, is_operator = access.company, access.principal.is_operator
    found = await access.exchange.sip_trace(company, CallId(call), as_operator=is_operator)
    first = found.messages[0].at if found.messages else None
    messages = [
        {**asdict(message), "after_ms": round((message.at - (first or message.at)).total_seconds() * 1000)}
        for message in found.messages
    ]
    return {"call": call, "messages": messages, "left_out": found.left_out}


def _given(command: object) -> Response:
    return Response(
        CommandGiven.model_validate(command).model_dump_json(), 202, media_type="application/json"
    )
