"""The `tandem` command against a served exchange: what it shows, what it refuses, and with which exit code."""

import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
import trio
import yaml
from attrs import evolve, frozen

from api.counters import HttpCounters
from api.server import serve_http
from orchestrator.cli.doctor import Grade, find_exchange
from orchestrator.model import journal as j
from orchestrator.model.access import SCOPES
from orchestrator.model.bans import Ban
from orchestrator.model.calls import Direction, EndCause, Refusal, Who
from orchestrator.model.identifiers import CallId, CompanyId, DeviceId, LegId, PersonId, TrunkId
from orchestrator.model.registrations import Standing, TrunkState
from orchestrator.model.sip import SipTrace
from tests.unit.api.conftest import app_of, company
from tests.unit.api.fake_exchange import FakeExchange
from tests.unit.api.test_sip_trace import INVITE

TANDEM = Path(sys.executable).with_name("tandem")
DEMO = CompanyId("demo")
ANNA, BORIS = PersonId("anna"), PersonId("boris")
CALL = CallId("01900000-0000-7000-8000-00000000ca11")


@frozen
class Done:
    code: int
    out: str
    err: str


@frozen
class Shell:
    """Runs `tandem` as the operator of one served exchange."""

    url: str
    key: str | None
    folder: Path

    async def tandem(self, *words: str, **environment: str) -> Done:
        known = {"TANDEM_URL": self.url, "COLUMNS": "200", "PATH": "/usr/bin", "LANG": "C.UTF-8"}
        if self.key is not None:
            known["TANDEM_KEY"] = self.key
        with trio.fail_after(30):
            done = await trio.run_process(
                [TANDEM, *words],
                capture_stdout=True,
                capture_stderr=True,
                check=False,
                cwd=self.folder,
                env={**known, **environment},
                stdin=b"",
            )
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def write(self, name: str, document: object) -> str:
        (self.folder / name).write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
        return name


@pytest.fixture
async def fake() -> FakeExchange:
    exchange = FakeExchange()
    await exchange.apply(company("demo"), by="test")
    return exchange


@pytest.fixture
async def shell(fake: FakeExchange, tmp_path: Path) -> AsyncIterator[Shell]:
    _, key = await fake.create_key(company=None, name="operator", scopes=SCOPES)
    async with trio.open_nursery() as nursery:
        [url] = await nursery.start(serve_http, app_of(fake), ["127.0.0.1:0"], HttpCounters())
        yield Shell(url, key, tmp_path)
        nursery.cancel_scope.cancel()


def a_call(fake: FakeExchange, *, over: bool) -> None:
    fake.write(
        DEMO, j.CallArrived(CALL, LegId(1), Direction.INTERNAL, Who(BORIS, name="Борис", number="102"), "101")
    )
    fake.write(DEMO, j.CallRouted(CALL, "person:anna", "extension", ANNA))
    fake.write(DEMO, j.DeviceSkipped(CALL, ANNA, DeviceId("demo-desk"), Refusal.OFFLINE))
    fake.write(DEMO, j.DeviceRang(CALL, LegId(2), DeviceId("demo-mobile"), ANNA, "+79161234567"))
    fake.write(
        DEMO, j.CallAnswered(CALL, LegId(2), Who(ANNA, DeviceId("demo-mobile"), name="Анна Иванова"), 4000)
    )
    if over:
        fake.write(DEMO, j.CallEnded(CALL, EndCause.CALLEE_HUNG_UP, 4000, 61_000))


async def test_a_document_is_shown_then_applied_then_is_nothing_to_do(
    shell: Shell, fake: FakeExchange
) -> None:
    file = shell.write("company.yaml", company("demo", "111"))
    shown = await shell.tandem("apply", file, "--dry-run")
    assert shown.code == 0
    assert shown.out.splitlines() == ["  person anna: extension 101 → 111", "demo: 1 change to make"]
    unasked = await shell.tandem("apply", file)
    assert (unasked.code, unasked.out) == (2, "  person anna: extension 101 → 111\n")
    assert unasked.err == "tandem: nobody is here to be asked, and nothing was changed: give --yes\n"
    assert fake.configurations[DEMO].people[ANNA].extension == "101"
    assert (await shell.tandem("apply", file, "--yes")).out.splitlines()[-1] == "demo: 1 change made"
    assert fake.configurations[DEMO].people[ANNA].extension == "111"
    assert (await shell.tandem("apply", file)).out.strip() == "demo: nothing to change"


async def test_every_wrong_key_is_named_with_its_path(shell: Shell) -> None:
    document = company("demo")
    document["people"][0]["nam"] = "x"
    document["numbers"][0]["to"] = {"person": "nobody", "announcement": "both"}
    done = await shell.tandem("apply", shell.write("wrong.yaml", document), "--yes")
    assert done.code == 2
    assert done.err.startswith("tandem: wrong.yaml: 2 things are wrong\n  people[0].nam: unknown key")
    assert "\n  numbers[0].to" in done.err
    document["numbers"][0]["to"] = {"person": "anna"}
    done = await shell.tandem("apply", shell.write("wrong.yaml", document), "--yes")
    assert done.err.startswith("tandem: wrong.yaml: people[0].nam: unknown key")
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (b"a: b: c", "file.yaml:1:5: is no YAML: mapping values are not allowed in this context"),
        (b"name: \xff", "file.yaml: is no UTF-8: byte 6 cannot be read"),
        (b"null: x", "file.yaml: is no document: "),
        (b"a: &a [*a]", "file.yaml: is no document: "),
        (b"", "file.yaml: the document must be a mapping"),
        (None, "file.yaml: No such file or directory"),
    ],
)
async def test_a_file_that_is_no_document_is_told_in_one_line(
    shell: Shell, document: bytes | None, told: str
) -> None:
    if document is not None:
        (shell.folder / "file.yaml").write_bytes(document)
    done = await shell.tandem("apply", "file.yaml")
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert done.err.startswith(f"tandem: {told}")


async def test_what_is_exported_changes_nothing_when_applied(shell: Shell) -> None:
    exported = await shell.tandem("export", "--company", "demo")
    (shell.folder / "again.yaml").write_text(exported.out, encoding="utf-8")
    assert "geheim" not in exported.out
    again = await shell.tandem("apply", "again.yaml")
    assert (again.out.strip(), again.err) == ("demo: nothing to change", "")


async def test_who_is_rung_is_called_by_name_and_number(shell: Shell, fake: FakeExchange) -> None:
    fake.write(
        DEMO, j.CallArrived(CALL, LegId(1), Direction.INTERNAL, Who(name="Борис", number="102"), "101")
    )
    fake.write(DEMO, j.CallRouted(CALL, "person:anna", "extension", ANNA))
    assert (await shell.tandem("calls")).out.splitlines()[0].endswith("101: Анна Иванова 101")
    _, secret = await fake.create_key(company=DEMO, name="wall", scopes=frozenset({"calls.read"}))
    assert (await shell.tandem("calls", TANDEM_KEY=secret)).out.splitlines()[0].endswith("101: anna")


async def test_calls_records_and_the_story_of_one(shell: Shell, fake: FakeExchange) -> None:
    a_call(fake, over=False)
    calls = (await shell.tandem("calls", COLUMNS="80")).out.splitlines()
    assert calls[0].endswith(" UTC  Борис 102 → 101: Анна Иванова")
    assert calls[1:] == [f"  {CALL}  talking"]
    assert f"  {CALL}  waited 4.0 s, goes on\n" in (await shell.tandem("records")).out
    [as_json] = (await shell.tandem("calls", "--json")).out.splitlines()
    assert json.loads(as_json)["call"] == CALL
    fake.write(DEMO, j.CallEnded(CALL, EndCause.CALLEE_HUNG_UP, 4000, 61_000))
    assert (await shell.tandem("calls")).out == "no calls now\n"
    records = (await shell.tandem("records", "--person", "anna", COLUMNS="80")).out.splitlines()
    assert records == [calls[0], f"  {CALL}  waited 4.0 s, talked 61 s, callee hung up"]
    [as_json] = (await shell.tandem("records", "--json")).out.splitlines()
    assert json.loads(as_json)["talk_ms"] == 61_000
    story = await shell.tandem("trace", CALL, "--lang", "ru", COLUMNS="80")
    assert "Анна Иванова (101): стационарный телефон не в сети, пропущен без ожидания" in story.out
    assert len(story.out.splitlines()) == 6
    assert (await shell.tandem("records", "--person", "stranger")).err.strip() == (
        "tandem: no person 'stranger': people go by their id in the document"
    )
    unknown = await shell.tandem("trace", "nothing")
    assert (unknown.code, unknown.err.strip()) == (1, "tandem: no such call")


async def test_a_call_is_drawn_as_a_ladder(shell: Shell, fake: FakeExchange) -> None:
    a_call(fake, over=True)
    empty = await shell.tandem("trace", CALL, "--sip")
    assert empty.code == 0
    assert "--sip-trace-calls" in empty.out
    fake.sip[CALL] = SipTrace((INVITE, evolve(INVITE, received=False, text="SIP/2.0 100 Trying\r\n\r\n")), 0)
    drawn = await shell.tandem("trace", CALL, "--sip", "--full")
    assert drawn.code == 0
    assert drawn.out.splitlines()[0].split() == ["udp", "192.0.2.1:5060", "Tandem"]
    assert "▶│" in drawn.out
    assert "│◀" in drawn.out
    assert "Call-ID: 1" in drawn.out
    assert (await shell.tandem("trace", CALL, "--full")).code == 2
    _, key = await fake.create_key(company=DEMO, name="demo", scopes=SCOPES)
    refused = await shell.tandem("trace", CALL, "--sip", TANDEM_KEY=key)
    assert (refused.code, refused.err) == (1, "tandem: for the operator\n")


async def test_keys_are_made_shown_and_revoked(shell: Shell, fake: FakeExchange) -> None:
    made = await shell.tandem("keys", "create", "wall", "--scope", "calls.read", "--company", "demo")
    secret = made.out.strip()
    assert (await shell.tandem("calls", TANDEM_KEY=secret)).code == 0
    refused = await shell.tandem("records", TANDEM_KEY=secret)
    assert (refused.code, refused.err.strip()) == (1, "tandem: needs records.read")
    listed = await shell.tandem("keys", "list")
    assert "wall" in listed.out
    assert secret not in listed.out
    [id] = [view.id for view in fake.views.values() if view.name == "wall"]
    assert (await shell.tandem("keys", "revoke", id)).code == 0
    refused = await shell.tandem("calls", TANDEM_KEY=secret)
    assert refused.code == 1
    assert "the API key is not accepted by the exchange at http://127.0.0.1:" in refused.err


async def test_bans_are_shown_handed_to_a_firewall_and_lifted(shell: Shell, fake: FakeExchange) -> None:
    for source, account in (("203.0.113.66", "anna@demo"), ("2001:db8:1:2::", "")):
        ends_at = fake.now + timedelta(minutes=5)
        fake.banned[source] = Ban(source, "wrong_passwords", fake.now, ends_at, 1, account)
    shown = (await shell.tandem("bans", "list")).out
    assert "203.0.113.66" in shown
    assert "anna@demo" in shown
    plain = await shell.tandem("bans", "list", "--format", "plain")
    assert plain.out.splitlines() == ["2001:db8:1:2::/64", "203.0.113.66"]
    nft = (await shell.tandem("bans", "list", "--format", "nft")).out
    assert "add element inet tandem banned4 { 203.0.113.66 timeout 300s }" in nft
    listed = (await shell.tandem("bans", "list", "--format", "json")).out.splitlines()
    assert [json.loads(line)["left_s"] for line in listed] == [300, 300]
    assert (await shell.tandem("bans", "lift", "2001:db8:1:2:3::4")).code == 0
    again = await shell.tandem("bans", "lift", "2001:db8:1:2::")
    assert (again.code, again.err) == (1, "tandem: 2001:db8:1:2:: is not banned\n")
    assert [*fake.banned] == ["203.0.113.66"]


async def test_the_operators_key_is_found_in_the_data_folder(shell: Shell) -> None:
    lost = Shell(shell.url, None, shell.folder)
    (shell.folder / "kept").mkdir()
    (shell.folder / "kept" / "operator.key").write_text(f"{shell.key}\n")
    assert (await lost.tandem("calls", TANDEM_DATA_DIR=str(shell.folder / "kept"))).code == 0
    refused = await lost.tandem("calls")
    assert refused.code == 1
    assert "no API key: give --key or TANDEM_KEY, or --data-dir with operator.key" in refused.err


async def test_an_exchange_without_a_company_says_how_to_make_one(shell: Shell, fake: FakeExchange) -> None:
    fake.configurations.clear()
    done = await shell.tandem("calls")
    assert (done.code, done.err) == (1, "tandem: there is no company yet; make one: tandem apply FILE\n")


async def test_a_fresh_exchange_says_what_to_do_next(tmp_path: Path) -> None:
    words = [
        "serve",
        "--data-dir",
        "fresh",
        "--sip-listen",
        "udp:127.0.0.1:0",
        "--http-listen",
        "127.0.0.1:0",
    ]
    said = ""
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            start = partial(trio.run_process, [TANDEM, *words], stdout=subprocess.PIPE, cwd=tmp_path)
            process = await nursery.start(start)
            while not ("There is no company yet" in said and said.endswith("\n")):
                said += (await process.stdout.receive_some()).decode()
            process.terminate()
    told = said.splitlines()[-1]
    url = next(line.split()[-1] for line in said.splitlines() if "live page" in line).rstrip("/")
    assert told.endswith(f"then: {TANDEM} apply company.yaml --url {url} --data-dir fresh")


async def test_of_several_companies_one_must_be_named(shell: Shell, fake: FakeExchange) -> None:
    await fake.apply(company("other"), by="test")
    done = await shell.tandem("calls")
    assert (done.code, done.err) == (1, "tandem: name it as `company` (in the command line --company)\n")
    assert (await shell.tandem("calls", "--company", "other")).code == 0


async def test_an_exchange_that_is_not_there(shell: Shell) -> None:
    done = await shell.tandem("calls", "--url", "http://127.0.0.1:1")
    assert done.code == 1
    assert done.err.startswith("tandem: no exchange answers at http://127.0.0.1:1")
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("key", ["ключ", "a b"])
async def test_what_cannot_be_a_key_is_told_in_one_line(shell: Shell, key: str) -> None:
    done = await shell.tandem("calls", TANDEM_KEY=key)
    assert (done.code, done.err.strip()) == (
        1,
        "tandem: --key or TANDEM_KEY is no API key; one looks like tandem_…",
    )
    (shell.folder / "data").mkdir()
    (shell.folder / "data" / "operator.key").write_bytes(b"\xff\n")
    done = await Shell(shell.url, None, shell.folder).tandem("calls")
    assert (done.code, done.err.strip()) == (
        1,
        "tandem: data/operator.key is no API key; one looks like tandem_…",
    )


async def test_another_server_is_no_exchange(shell: Shell) -> None:
    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(partial(trio.serve_tcp, greet, 0, host="127.0.0.1"))
        url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        done = await shell.tandem("calls", "--url", url)
        nursery.cancel_scope.cancel()
    assert (done.code, done.err.strip()) == (
        1,
        f"tandem: what answers at {url} is no exchange; give another --url",
    )


async def greet(stream: trio.SocketStream) -> None:
    await stream.receive_some()
    await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
    await stream.aclose()


async def test_a_carrier_whose_port_is_taken_is_told_in_one_line() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.2", 0))
        port = str(taken.getsockname()[1])
        words = [sys.executable, "-m", "demo.phones", "--exchange", "127.0.0.1:9", "--carrier-port", port]
        with trio.fail_after(30):
            done = await trio.run_process(words, check=False, capture_stderr=True)
    [told] = done.stderr.decode().splitlines()
    assert done.returncode == 1
    assert f"127.0.0.2:{port}: Address already in use" in told
    assert told.endswith("give another --carrier-port")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (
            ["--http-listen", "127.0.0.1:{busy}"],
            1,
            "cannot listen on 127.0.0.1:{busy}: Address already in use; name another address with --http-listen",
        ),
        (
            ["--sip-listen", "tcp:127.0.0.1:{busy}"],
            1,
            "(os error 98); name another address with --sip-listen",
        ),
        (["--database-url", "mysql://x"], 2, "mysql"),
        (["--database-url", "sqlite:////proc/none/x.db"], 1, "/proc/none"),
        (["--data-dir", "/proc/none"], 1, "/proc/none"),
        (["--media-address", "192.0.2.1"], 2, "192.0.2.1 is not this machine's"),
        (["--media-address", "a.b"], 2, "--media-address: must be an address such as 192.0.2.10, not 'a.b'"),
        (["--media-ports", "5-99999"], 2, "--media-ports: must be FIRST-LAST within 1-65535, not 5-99999"),
        (["--media-ports", "x"], 2, "--media-ports: must be FIRST-LAST, not 'x'"),
        (["--company", "none.yaml"], 2, "none.yaml: No such file or directory"),
    ],
)
async def test_an_exchange_that_cannot_start_says_why_in_one_line(
    tmp_path: Path, words: list[str], code: int, told: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = str(taken.getsockname()[1])
        free = ["--data-dir", "data", "--sip-listen", "udp:127.0.0.1:0", "--http-listen", "127.0.0.1:0"]
        given = [word.replace("{busy}", busy) for word in words]
        done = await Shell("", "", tmp_path).tandem("serve", "--media-address", "127.0.0.1", *free, *given)
    assert done.code == code
    lines = [line for line in done.err.splitlines() if line.startswith("tandem: ")]
    assert len(lines) == 1, done.err
    assert told.replace("{busy}", busy) in lines[0]


async def test_the_doctor_tells_how_trunks_stand(shell: Shell, fake: FakeExchange) -> None:
    fake.trunks = [
        TrunkState(DEMO, TrunkId("known"), Standing.BY_ADDRESS),
        TrunkState(DEMO, TrunkId("good"), Standing.REGISTERED, 200, "OK"),
        TrunkState(DEMO, TrunkId("young"), Standing.REGISTERING),
        TrunkState(DEMO, TrunkId("bad"), Standing.REFUSED, 403, "Forbidden"),
    ]
    done = await shell.tandem("doctor", "--sip-port", "0")
    told = done.out.splitlines()
    bad = told.index("✗ trunk demo/bad: not registered: 403 Forbidden")
    assert told[bad + 1].startswith("    → compare username, password and realm")
    assert "✓ trunk demo/known: known by its address; a call shows whether it works" in told
    assert "✓ trunk demo/good: registered" in told
    assert "✓ trunk demo/young: registering, no answer yet" in told
    assert done.code == 1


async def test_the_doctor_looks_at_everything(shell: Shell) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("0.0.0.0", 0))
        port = str(taken.getsockname()[1])
        done = await shell.tandem("doctor", "--sip-port", port, "--url", "http://127.0.0.1:1")
    assert done.code == 1
    assert "! exchange: none answers at http://127.0.0.1:1\n    → if one runs, name it with --url" in done.out
    assert f"✗ UDP {port}: Address already in use\n    → end what uses it" in done.out
    assert f"✓ data folder: {shell.folder / 'data'} will be made at the first start" in done.out
    for looked_at in ("disk", "open files", "clock", "media: sound both ways"):
        assert looked_at in done.out
    (shell.folder / "data").mkdir()
    (shell.folder / "data" / "tandem.db").write_bytes(b"no database" * 100)
    done = await shell.tandem("doctor", "--url", shell.url, "--sip-port", port)
    assert f"✗ database: {shell.folder / 'data/tandem.db'}: file is not a database" in done.out
    assert f"! UDP {port}: free\n    → the exchange does not listen there" in done.out
    assert "✓ SIP: listens on udp:5060, wss:7443" in done.out


async def test_the_doctor_knows_an_exchange_from_another_server(shell: Shell) -> None:
    finding, parts = await trio.to_thread.run_sync(find_exchange, shell.url)
    assert (finding.grade, parts is None) == (Grade.WELL, False)
    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(partial(trio.serve_tcp, greet, 0, host="127.0.0.1"))
        url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        finding, parts = await trio.to_thread.run_sync(find_exchange, url)
        nursery.cancel_scope.cancel()
    assert (finding.grade, parts) == (Grade.ILL, None)
    assert "--http-listen" in finding.remedy
