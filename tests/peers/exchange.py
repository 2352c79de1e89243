"""A real exchange in a process of its own, with a company applied, spoken to over HTTP."""

import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import trio
from attrs import define, field

from tests.contracts.certificates import Identity
from tests.peers.processes import Program, free_ports, running

TANDEM = Path(sys.executable).with_name("tandem")
DOMAIN = "peers.example"
STARTED_WITHIN_S = 20.0
LOOK_AGAIN_S = 0.05


@define(eq=False)
class Node:
    """Where an exchange keeps its data and listens; the same over its restarts."""

    folder: Path
    sip_port: int
    http_port: int
    media_ports: str = "16384-19999"
    identity: Identity | None = None
    """What it shows over TLS, and trusts; None: it does not listen for that."""
    tls_port: int = 0
    wss_port: int = 0
    """Where browsers connect, inside the same TLS; 0: nowhere."""
    more: dict[str, str] = field(factory=dict)
    """Further settings, by their variable."""

    def environment(self) -> dict[str, str]:
        """Its settings, as `tandem serve` reads them."""
        listen, tls = f"udp:127.0.0.1:{self.sip_port} tcp:127.0.0.1:{self.sip_port}", {}
        if self.identity is not None:
            listen += f" tls:127.0.0.1:{self.tls_port}"
            listen += f" wss:127.0.0.1:{self.wss_port}" if self.wss_port else ""
            tls = {f"TANDEM_{name.upper()}": str(path) for name, path in self.identity.options().items()}
        return {
            **os.environ,
            **tls,
            "TANDEM_DATA_DIR": str(self.folder / "data"),
            "TANDEM_SIP_LISTEN": listen,
            "TANDEM_HTTP_LISTEN": f"127.0.0.1:{self.http_port}",
            "TANDEM_MEDIA_ADDRESS": "127.0.0.1",
            "TANDEM_MEDIA_PORTS": self.media_ports,
            "TANDEM_DEFAULT_REALM": DOMAIN,
            **self.more,
        }


@define(eq=False)
class Exchange:
    """A running exchange and the operator's way into it."""

    node: Node
    program: Program
    http: httpx.AsyncClient
    requests: int = field(default=0)

    @property
    def port(self) -> int:
        """Where it takes SIP, UDP and TCP."""
        return self.node.sip_port

    async def get(self, path: str, **query: Any) -> Any:
        """What a GET of /api/v1 answers."""
        answer = await self.http.get(path, params=query)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    async def post(self, path: str, body: Mapping[str, object] | None = None) -> Any:
        """Give a command; its answer."""
        self.requests += 1
        headers = {"Idempotency-Key": f"peers-{self.requests}"}
        answer = await self.http.post(path, json=body, headers=headers)
        assert answer.status_code < 300, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    async def apply(self, company: Mapping[str, object]) -> None:
        """Bring a company into the state of this document."""
        await self.post("configuration", company)

    async def one_call(self) -> dict[str, Any]:
        """The call that goes on; waits for it."""
        return (await self.until("calls", lambda page: len(page["items"]) == 1))["items"][0]  # type: ignore[no-any-return]  # JSON

    async def records(self, count: int) -> list[dict[str, Any]]:
        """The records of ended calls, the newest first; waits for `count` of them."""

        def has_all(page: Any) -> bool:
            return len([record for record in page["items"] if record["ended_at"]]) >= count

        return (await self.until("call-records", has_all))["items"]  # type: ignore[no-any-return]  # JSON

    async def until(self, path: str, holds: Callable[[Any], bool], within_s: float = 15.0) -> Any:
        """Ask again until the answer is as wanted."""
        answer: Any = None
        with trio.move_on_after(within_s):
            while not holds(answer := await self.get(path)):  # noqa: ASYNC110  # another process sets no event
                await trio.sleep(LOOK_AGAIN_S)
            return answer
        raise AssertionError(f"{path} stayed {answer}")


def new_node(folder: Path) -> Node:
    """A place for an exchange on free ports."""
    sip_port, http_port = free_ports(2)
    return Node(folder, sip_port, http_port)


@asynccontextmanager
async def open_exchange(node: Node, company: Mapping[str, object] | None = None) -> AsyncIterator[Exchange]:
    """Start an exchange, apply `company` if given; it is asked to stop at the end of the block."""
    async with running([TANDEM, "serve"], cwd=node.folder, env=node.environment()) as program:
        await _wait_until_open(node, program)
        async with operator(node, program) as exchange:
            if company is not None:
                await exchange.apply(company)
            yield exchange


@asynccontextmanager
async def operator(node: Node, program: Program) -> AsyncIterator[Exchange]:
    """The way into an exchange that runs already, with its operator's key."""
    key = (node.folder / "data" / "operator.key").read_text().strip()
    base = f"http://127.0.0.1:{node.http_port}/api/v1/"
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=base, headers=headers, timeout=10, trust_env=False) as http:
        yield Exchange(node, program, http)


async def _wait_until_open(node: Node, program: Program) -> None:
    with trio.move_on_after(STARTED_WITHIN_S):
        async with httpx.AsyncClient(trust_env=False) as http:
            while program.process.returncode is None:
                try:
                    if (await http.get(f"http://127.0.0.1:{node.http_port}/api/v1/health")).is_success:
                        return
                except httpx.TransportError:
                    await trio.sleep(LOOK_AGAIN_S)
    raise AssertionError(f"the exchange did not start:\n{program.output[-4000:]}")
