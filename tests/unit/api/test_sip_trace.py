"""The SIP messages of a call, over HTTP."""

from datetime import timedelta

import httpx
from attrs import evolve

from api.routers.calls import SipTraceOut
from orchestrator.model import journal as j
from orchestrator.model.calls import Direction, Who
from orchestrator.model.identifiers import CallId, LegId
from orchestrator.model.sip import SipMessage, SipTrace
from tests.unit.api.conftest import DEMO
from tests.unit.api.fake_exchange import START, FakeExchange

CALL = CallId("01900000-0000-7000-8000-0000000051b0")
INVITE = SipMessage(
    START,
    LegId(1),
    True,
    "udp",
    "192.0.2.9:5060",
    "192.0.2.1:5060",
    False,
    "INVITE sip:102@x SIP/2.0\r\nCall-ID: 1\r\n\r\n",
)


async def test_messages_are_dated_from_the_first_one(client: httpx.AsyncClient, fake: FakeExchange) -> None:
    fake.write(DEMO, j.CallArrived(CALL, LegId(1), Direction.INTERNAL, Who(), "102"))
    _, key = await fake.create_key(company=None, name="operator", scopes=frozenset({"sip.read"}))
    operator = {"Authorization": f"Bearer {key}", "X-Company": DEMO}

    async def told() -> dict[str, object]:
        response = await client.get(f"/api/v1/calls/{CALL}/sip", headers=operator)
        SipTraceOut.model_validate(response.json())
        return dict(response.json())

    assert await told() == {"call": CALL, "messages": [], "left_out": 0}
    again = evolve(INVITE, at=START + timedelta(milliseconds=1234), repeated=True)
    fake.sip[CALL] = SipTrace((INVITE, again), 3)
    found = await told()
    messages = found["messages"]
    assert isinstance(messages, list)
    assert found["left_out"] == 3
    assert [(m["after_ms"], m["repeated"]) for m in messages] == [(0, False), (1234, True)]
    assert messages[0]["text"] == INVITE.text
    assert messages[0]["at"] == "2026-11-24T09:00:00Z"
