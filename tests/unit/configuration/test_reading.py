import pytest

from orchestrator.configuration.digest import Secret, secret_of
from orchestrator.configuration.fields import Fields, Problems
from orchestrator.configuration.reading import Secrets, read_company, read_number, read_person, read_trunk
from orchestrator.configuration.writing import write_person, write_trunk
from orchestrator.model.directory import Announcement, OutsideDevice, SipDevice, ToPerson, Trunk, TrunkHost
from orchestrator.model.errors import Problem
from orchestrator.model.identifiers import DeviceId

SHORT = "must have 8 characters or more, 4 of them different"


def test_a_device_with_a_number_is_outside_and_one_without_registers() -> None:
    devices = [
        {"id": "d", "kind": "desk", "ha1_md5": "0" * 32},
        {"id": "m", "kind": "mobile", "number": "+79161234567"},
    ]
    problems = Problems()
    body = {"id": "anna", "name": "Anna", "extension": 101, "devices": devices}
    person = read_person(Fields(body, "", problems), "realm", Secrets())
    assert not problems.found
    desk, mobile = person.devices
    assert isinstance(desk, SipDevice)
    assert (desk.username, desk.ha1_md5, desk.ring_s) == ("d", "0" * 32, 20.0)
    assert isinstance(mobile, OutsideDevice)
    assert mobile.ring_s == 25.0


def test_a_kept_secret_serves_until_username_or_realm_change() -> None:
    kept = secret_of("d", "realm", "pw", sha256=True)
    secrets = Secrets({DeviceId("d"): ("d", "realm", kept)})

    def read(realm: str, **device: object) -> tuple[SipDevice, list[str]]:
        problems = Problems()
        body = {"id": "a", "name": "A", "extension": 10, "devices": [{"id": "d", "kind": "desk", **device}]}
        found = read_person(Fields(body, "", problems), realm, secrets).devices[0]
        assert isinstance(found, SipDevice)
        return found, [problem.what for problem in problems.found]

    assert Secret(read("realm", sha256=True)[0].ha1_md5, read("realm", sha256=True)[0].ha1_sha256) == kept
    assert read("realm")[0].ha1_sha256 is None
    assert read("other")[1] == ["must be given anew when the username or the domain changes"]
    assert read("realm", username="e")[1] == ["must be given anew when the username or the domain changes"]
    assert read("other", ha1_md5=kept.md5)[1] == [
        "was made for another username or domain: give the password anew"
    ]


@pytest.mark.parametrize(
    ("password", "device", "trunk"),
    [
        ("correct horse", None, None),
        ("пароль-Анны", None, None),
        ("", "is empty", "is empty"),
        ("…", "is a placeholder: '…'", "is a placeholder: '…'"),
        ("********", "is a placeholder: '********'", "is a placeholder: '********'"),
        ("1234567", SHORT, None),
        ("aaaaaaaabc", SHORT, None),
        (12345678, None, None),
    ],
)
def test_a_placeholder_is_no_password_and_a_phone_needs_a_good_one(
    password: object, device: str | None, trunk: str | None
) -> None:
    problems = Problems()
    devices = [{"id": "d", "kind": "desk", "password": password}]
    body = {"id": "anna", "name": "Anna", "extension": 101, "devices": devices}
    read_person(Fields(body, "people[0]", problems), "realm", Secrets())
    told = [] if device is None else [Problem("people[0].devices[0].password", device)]
    assert problems.found == told
    problems = Problems()
    body = {"id": "t", "host": "192.0.2.1", "caller_number": "+74951234500", "username": "u", "realm": "r"}
    read_trunk(Fields({**body, "password": password}, "trunks[0]", problems), Secrets())
    assert problems.found == ([] if trunk is None else [Problem("trunks[0].password", trunk)])


def test_the_terminal_is_explained_where_it_is_missing_or_leads_on() -> None:
    def read(**more: object) -> list[Problem]:
        problems = Problems()
        body = {"company": "demo", "name": "Demo", "domain": "demo.example", **more}
        read_company(Fields(body, "", problems))
        return problems.found

    hint = "it is what a caller hears who reaches nobody, such as {announcement: unavailable}"
    assert read() == [Problem("terminal", f"missing; {hint}")]
    leads_on = {"announcement": "busy", "then": {"person": "anna"}}
    assert read(terminal=leads_on) == [Problem("terminal", f"must be an announcement without `then`; {hint}")]
    assert read(terminal={"announcement": "unavailable"}) == []


def test_announcements_follow_each_other_so_far_and_no_further() -> None:
    def read(depth: int) -> tuple[object, list[str]]:
        to: dict[str, object] = {"person": "anna"}
        for _ in range(depth):
            to = {"announcement": "hello", "then": to}
        problems = Problems()
        number = read_number(Fields({"number": "+74951234567", "to": to}, "", problems))
        return number.leads_to, [problem.path for problem in problems.found]

    leads_to, problems = read(5)
    assert not problems
    for _ in range(5):
        assert isinstance(leads_to, Announcement)
        leads_to = leads_to.then
    assert leads_to == ToPerson("anna")  # type: ignore[arg-type] # a str is enough
    assert read(6)[1] == ["to.then.then.then.then.then.then"]


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("sip.example", None),
        ("2001:db8::1", None),
        ("sip.example:5080", "is a host with its port: write host: sip.example, port: 5080"),
        ("192.0.2.1:5080", "is a host with its port: write host: 192.0.2.1, port: 5080"),
        ("a:5080", "is a host with its port: write host: a, port: 5080"),
        ("a:b", "must be a host name or address, not 'a:b'"),
        ("sip:x", "must be a host name or address, not 'sip:x'"),
        ("192.0.2", "192.0.2 is no address; write all four numbers of it, or a name"),
    ],
)
def test_a_trunks_host_is_a_name_or_an_address(host: str, told: str | None) -> None:
    problems = Problems()
    body = {"id": "t", "host": host, "caller_number": "+74951234567"}
    read_trunk(Fields(body, "trunks[0]", problems), Secrets())
    assert problems.found == ([] if told is None else [Problem("trunks[0].host", told)])


@pytest.mark.parametrize(("transport", "problems"), [("udp", 0), ("tcp", 0), ("tls", 0), ("sctp", 1)])
def test_a_trunk_speaks_udp_tcp_or_tls(transport: str, problems: int) -> None:
    found = Problems()
    body = {"id": "t", "host": "sip.example", "caller_number": "+74951234567", "transport": transport}
    read_trunk(Fields(body, "", found), Secrets())
    assert len(found.found) == problems


def trunk_of(**keys: object) -> tuple[Trunk, list[Problem]]:
    found = Problems()
    fields = Fields({"id": "t", "caller_number": "+74951234567", **keys}, "", found)
    trunk = read_trunk(fields, Secrets())
    fields.finish()
    return trunk, found.found


def test_a_trunk_has_one_host_or_several_with_their_ranks() -> None:
    trunk, problems = trunk_of(host="sip.example")
    assert (trunk.hosts, trunk.failover_s, trunk.health_s) == ((TrunkHost("sip.example"),), 4.0, None)
    several = [
        {"host": "a.example", "priority": 10, "weight": 60},
        {"host": "b.example", "port": 5070, "priority": 20},
    ]
    trunk, more = trunk_of(hosts=several, failover_s=2, health_s=30)
    assert trunk.hosts == (TrunkHost("a.example", None, 10, 60), TrunkHost("b.example", 5070, 20))
    assert (trunk.failover_s, trunk.health_s, problems, more) == (2.0, 30.0, [], [])


@pytest.mark.parametrize(
    ("keys", "path", "told"),
    [
        ({}, "host", "missing"),
        ({"hosts": []}, "hosts", "name at least one, such as {host: sip.carrier.example}"),
        ({"hosts": [{"host": "a.example:5070"}]}, "hosts[0].host", "is a host with its port"),
        ({"hosts": [{"host": "a.example", "rank": 1}]}, "hosts[0].rank", ""),
        ({"hosts": [{"host": "a.example", "priority": 65_536}]}, "hosts[0].priority", "must be 0 to 65535"),
        ({"hosts": [{"host": "a.example"}, {"host": "A.example"}]}, "hosts[1].host", "is given twice"),
        ({"hosts": [{"host": "a.example"}], "host": "b.example"}, "host", "stands in hosts"),
        ({"hosts": [{"host": f"{i}.example"} for i in range(17)]}, "hosts", "at most 16"),
        ({"host": "a.example", "health_s": 1}, "health_s", "must be 5 to 3600 seconds"),
        ({"host": "a.example", "failover_s": 0}, "failover_s", "must be 1 to 30 seconds"),
    ],
)
def test_what_is_wrong_with_the_hosts_of_a_trunk_is_told(
    keys: dict[str, object], path: str, told: str
) -> None:
    problem = trunk_of(**keys)[1][0]
    assert problem.path == path
    assert told in problem.what


@pytest.mark.parametrize(
    "keys",
    [
        {"host": "a.example"},
        {"host": "a.example", "port": 5060, "health_s": 30.0},
        {"hosts": [{"host": "a.example", "priority": 1}]},
        {
            "hosts": [{"host": "a.example"}, {"host": "b.example", "port": 5070, "weight": 3}],
            "failover_s": 2.0,
        },
    ],
)
def test_the_hosts_of_a_trunk_are_written_as_they_are_read(keys: dict[str, object]) -> None:
    trunk = trunk_of(**keys)[0]
    written = write_trunk(trunk)
    assert {key: written[key] for key in keys} == keys
    assert not {"host", "port", "hosts", "health_s", "failover_s"} - keys.keys() & written.keys()
    assert trunk_of(**{k: v for k, v in written.items() if k not in ("id", "caller_number")})[0] == trunk


def test_what_a_trunk_is_told_of_callers_is_read_and_written_back() -> None:
    said = {"caller_name": "Acme", "identity": "p_asserted_identity", "trusted": False}
    body = {"id": "t", "host": "h.example", "caller_number": "+74951234500"}

    def read(body: dict[str, object]) -> tuple[Trunk, list[str]]:
        problems = Problems()
        trunk = read_trunk(Fields(body, "", problems), Secrets())
        return trunk, [str(problem) for problem in problems.found]

    trunk, problems = read({**body, **said})
    assert not problems
    assert {key: write_trunk(trunk)[key] for key in said} == said
    assert not said.keys() & write_trunk(read({**body})[0]).keys()
    assert read({**body, "identity": "pai"})[1] == [
        "identity: must be one of from, p_asserted_identity, p_preferred_identity, remote_party_id, not 'pai'"
    ]


def test_what_people_outside_see_of_a_person_is_read_and_written_back() -> None:
    problems = Problems()
    body = {"id": "anna", "name": "Anna", "extension": "101", "caller_number": "+74951234501"}
    person = read_person(Fields(body, "", problems), "realm", Secrets())
    assert write_person(person)["caller_number"] == person.caller_number == "+74951234501"
    trunk = {"id": "t", "host": "h.example", "caller_number": "+74951234500", "shows": ["+7495123"]}
    assert write_trunk(read_trunk(Fields(trunk, "", problems), Secrets()))["shows"] == ["+7495123"]
    assert not problems.found
    read_trunk(Fields({**trunk, "shows": ["+7"]}, "", problems), Secrets())
    assert str(problems.found[0]).startswith("shows[0]: must be the beginning of public numbers in quotes")
