import pytest

from orchestrator.configuration.digest import Secret, secret_of
from orchestrator.configuration.fields import Fields, Problems
from orchestrator.configuration.reading import Secrets, read_number, read_person, read_trunk
from orchestrator.model.directory import Announcement, OutsideDevice, SipDevice, ToPerson
from orchestrator.model.identifiers import DeviceId


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


@pytest.mark.parametrize(("transport", "problems"), [("tcp", 0), ("sctp", 1)])
def test_a_trunk_speaks_udp_or_tcp(transport: str, problems: int) -> None:
    found = Problems()
    body = {"id": "t", "host": "sip.example", "caller_number": "+74951234567", "transport": transport}
    read_trunk(Fields(body, "", found), Secrets())
    assert len(found.found) == problems
