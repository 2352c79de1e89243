from copy import deepcopy
from typing import Any

import pytest
import yaml
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.configuration.digest import secret_of
from orchestrator.configuration.document import Configuration, Surroundings
from orchestrator.configuration.fields import Problems
from orchestrator.configuration.planning import plan_delete, plan_document, plan_put, read_document
from orchestrator.configuration.reading import Secrets
from orchestrator.configuration.writing import export
from orchestrator.model.directory import SipDevice, Trunk, TrunkHost
from orchestrator.model.errors import ConfigError, NoSuchObject, NotPermitted
from orchestrator.model.identifiers import E164, CompanyId, PersonId, TrunkId
from orchestrator.model.outside import Ceiling

COMPANY: dict[str, Any] = yaml.safe_load(
    """
company: demo
name: Demo
domain: demo.example
language: ru
time_zone: Europe/Moscow
terminal: {announcement: unavailable}
outside: {trunk: carrier, prefixes: ["+7"]}
sites: [{id: moscow, name: Москва}]
trunks:
  - {id: carrier, host: 127.0.0.1, port: 5090, caller_number: "+74951234500", sources: [192.0.2.128/25]}
  - {id: second, host: sip.example, caller_number: "+74951234500", register: true,
     username: u, realm: r, password: p}
people:
  - id: anna
    name: Анна
    extension: "101"
    site: moscow
    devices:
      - {id: anna-desk, kind: desk, password: secret-of-anna, sha256: true}
      - {id: anna-mobile, kind: mobile, number: "+79161234567", delay_s: 5}
    next: {offline: {person: boris}, busy: {announcement: busy, then: {outside: "+79160000000"}}}
  - {id: boris, name: Boris, extension: 102}
numbers:
  - {number: "+74951234501", to: {person: anna}}
"""
)
AROUND = Surroundings(
    domains={"taken.example": CompanyId("other")},
    trunks={
        CompanyId("other"): (
            Trunk(
                TrunkId("theirs"),
                (TrunkHost("192.0.2.9"),),
                E164("+74950000000"),
                sources=("198.51.100.0/25",),
            ),
            Trunk(TrunkId("named"), (TrunkHost("sip.taken.example"),), E164("+74950000000")),
            Trunk(TrunkId("registers"), (TrunkHost("203.0.113.9"),), E164("+74950000000"), register=True),
        )
    },
    time_zones=frozenset({"UTC", "Europe/Moscow"}),
    is_own=lambda host, port, transport: (host, port, transport) == ("192.0.2.1", 5060, "udp"),
    prompts=lambda company, language: frozenset({"unavailable", "busy"} if language == "ru" else ()),
)


def demo() -> Configuration:
    return plan_document(COMPANY, None, AROUND).after


def problems_of(document: object, now: Configuration | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        plan_document(document, now, AROUND)
    return [str(problem) for problem in caught.value.problems]


def test_a_password_becomes_a_hash_of_user_domain_and_password() -> None:
    device = demo().people[PersonId("anna")].devices[0]
    assert isinstance(device, SipDevice)
    secret = secret_of("anna-desk", "demo.example", "secret-of-anna", sha256=True)
    assert (device.ha1_md5, device.ha1_sha256) == (secret.md5, secret.sha256)
    assert secret.md5 not in repr(device)
    assert "secret" not in str(export(demo(), secrets=True))


def test_applying_the_same_twice_changes_nothing() -> None:
    again = plan_document(COMPANY, demo(), AROUND)
    assert again.plan.changes == ()
    assert not again.plan.put
    assert not again.plan.delete


def test_an_export_without_secrets_applies_back_to_the_same() -> None:
    exported = export(demo())
    assert "ha1" not in str(exported)
    assert plan_document(exported, demo(), AROUND).after == demo()
    assert "people[0].devices[0].password: missing (or a number, for a device outside)" in problems_of(
        exported
    )


def test_an_export_with_secrets_makes_the_same_company_elsewhere() -> None:
    assert plan_document(export(demo(), secrets=True), None, AROUND).after == demo()


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        ("d['people'][0]['nam'] = 1", "people[0].nam: unknown key; did you mean name?"),
        (
            "d['people'][0]['devices'][0]['ring_s'] = 0",
            "people[0].devices[0].ring_s: must be 1 to 300 seconds, not 0",
        ),
        (
            "d['people'][0]['devices'][0]['kind'] = 'fax'",
            "people[0].devices[0].kind: must be one of desk, softphone, mobile, home, not 'fax'",
        ),
        ("d['people'][1]['extension'] = '101'", "people[1].extension: 101 belongs to anna already"),
        ("d['people'][1]['extension'] = 112", "people[1].extension: 112 is an emergency number"),
        ("d['people'][1]['site'] = 'mars'", "people[1].site: no site 'mars'"),
        ("d['people'][1]['id'] = 'anna'", "people[1]: person 'anna' is given twice"),
        (
            "d['people'][1]['time_zone'] = 'Mars'",
            "people[1].time_zone: no time zone 'Mars'; names are such as Europe/Moscow",
        ),
        ("d['people'][1]['name'] = 'a\\r\\nb'", "people[1].name: has control characters"),
        (
            "d['people'][1]['devices'] = [{'id': 'anna-desk', 'kind': 'desk', 'password':'mustard1', 'username': 'q'}]",
            "people[1].devices[0].id: 'anna-desk' is taken by anna",
        ),
        (
            "d['people'][1]['devices'] = [{'id': 'z', 'kind': 'desk', 'password':'mustard1', 'username': 'anna-desk'}]",
            "people[1].devices[0].username: is taken by device anna-desk",
        ),
        (
            "d['people'][0]['next']['offline'] = {'person': 'anna'}",
            "people[0].next.offline: leads back to the same person",
        ),
        ("d['people'][0]['next']['away'] = {'person': 'boris'}", "people[0].next.away: unknown key"),
        (
            "d['people'][0]['next']['offline'] = {'person': 'x'}",
            "people[0].next.offline.person: no person 'x'",
        ),
        (
            "d['people'][0]['next']['busy']['then'] = {'outside': '+141'}",
            "people[0].next.busy.then.outside: must be a public number in quotes, such as \"+74951234567\", not '+141'",
        ),
        (
            "d['people'][0]['next']['busy']['then'] = {'outside': '+14165550100'}",
            "people[0].next.busy.then.outside: +14165550100 is foreign by outside.prefixes; "
            "outside.classes_of_service.default.may_call has: national",
        ),
        (
            "d['people'][0]['next']['offline'] = {}",
            "people[0].next.offline: must have exactly one of person, outside, announcement",
        ),
        (
            "d['numbers'][0]['to'] = {'announcement': 'gone'}",
            "numbers[0].to.announcement: no prompt 'gone' (there are: busy, unavailable)",
        ),
        (
            "d['numbers'][0]['number'] = 74951234501",
            "numbers[0].number: must be a public number in quotes, such as \"+74951234567\", not '74951234501'",
        ),
        ("del d['numbers'][0]['to']", "numbers[0].to: missing"),
        ("d['numbers'] += d['numbers']", "numbers[1]: number '+74951234501' is given twice"),
        (
            "d['trunks'][0]['sources'] = ['300.1.1.1']",
            "trunks[0].sources[0]: must be an address or a network, not '300.1.1.1'",
        ),
        (
            "d['trunks'][0]['sources'] = ['0.0.0.0/1']",
            "trunks[0].sources[0]: 0.0.0.0/1 is half the world: /8 is the widest network",
        ),
        (
            "d['trunks'][0]['host'] = '192.0.2.9'",
            "trunks[0].host: 192.0.2.9/32 belongs to trunk theirs of company other already",
        ),
        (
            "d['trunks'][0]['sources'] = ['::ffff:192.0.2.9']",
            "trunks[0].sources[0]: 192.0.2.9/32 belongs to trunk theirs of company other already",
        ),
        (
            "d['trunks'][0]['host'] = 'SIP.taken.example'",
            "trunks[0].host: sip.taken.example belongs to trunk named of company other already",
        ),
        (
            "d['trunks'][0]['sources'] = ['192.0.2.128/25', '198.51.0.0/16']",
            "trunks[0].sources[1]: 198.51.0.0/16 belongs to trunk theirs of company other already",
        ),
        (
            "d['trunks'][0]['host'] = '192.0.521'",
            "trunks[0].host: 192.0.521 is no address; write all four numbers of it, or a name",
        ),
        (
            "d['trunks'][0]['host'] = '0xc0000209'",
            "trunks[0].host: 0xc0000209 is no address; write all four numbers of it, or a name",
        ),
        (
            "d['trunks'][0] |= {'host': '192.0.2.1', 'port': 5060}",
            "trunks[0].host: 192.0.2.1:5060 is this exchange: its calls would go round in circles",
        ),
        ("del d['trunks'][1]['realm']", "trunks[1].register: needs username, realm and password"),
        ("d['outside']['trunk'] = 'x'", "outside.trunk: no trunk 'x'"),
        ("d['domain'] = 'taken.example'", "domain: is the domain of company other"),
        (
            "d['terminal'] = {'person': 'anna'}",
            "terminal: must be an announcement without `then`; it is what a caller hears who reaches nobody, "
            "such as {announcement: unavailable}",
        ),
        (
            "d['terminal'] = {'announcement': 'x', 'then': {'person': 'anna'}}",
            "terminal: must be an announcement without `then`; it is what a caller hears who reaches nobody, "
            "such as {announcement: unavailable}",
        ),
        ("d['people'] = 'anna'", "people: must be a list, not text"),
        ("d['people'][0] = None", "people[0]: must be a mapping, not nothing"),
    ],
)
def test_what_is_wrong_is_named_with_its_path(edit: str, expected: str) -> None:
    document = deepcopy(COMPANY)
    exec(edit, {"d": document})
    assert expected in problems_of(document)


@pytest.mark.parametrize(
    "edit",
    [
        "d['trunks'][0]['host'] = '203.0.113.9'",
        "d['trunks'][0]['host'] = 'sip.other.example'",
        "d['trunks'][0]['sources'] = ['198.51.100.128/25', '2001:db8::/32']",
        "d['trunks'][1]['host'] = 'sip.taken.example'",
    ],
)
def test_carriers_that_tell_their_calls_apart_may_be_anybodys(edit: str) -> None:
    document = deepcopy(COMPANY)
    exec(edit, {"d": document})
    plan_document(document, None, AROUND)


OF_THE_COMPANY = evolve(AROUND, as_operator=False)


def test_a_companys_key_changes_what_is_its_own() -> None:
    document = deepcopy(COMPANY)
    document["people"].pop()
    document["people"][0]["next"] = {}
    assert plan_document(document, demo(), OF_THE_COMPANY).plan.changes
    assert plan_put(demo(), "person", "boris", {"name": "B", "extension": "103"}, OF_THE_COMPANY).plan.changes


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        ("d['trunks'].pop(); d['trunks'][0]['port'] = 5091", "trunks: carrier, second"),
        ("d['trunks'][1]['password'] = 'another'", "trunks: second"),
        ("d['emergency_numbers'] = ['112', '900']", "emergency_numbers"),
        ("d['emergency_numbers'] = []", "emergency_numbers"),
        ("d['trunks'][0]['host'] = '192.0.2.9'", "trunks: carrier"),
        ("d['ceiling'] = {'prefixes': ['+']}", "ceiling"),
    ],
)
def test_only_the_operator_changes_what_concerns_everybody(edit: str, expected: str) -> None:
    document = deepcopy(COMPANY)
    exec(edit, {"d": document})
    with pytest.raises(NotPermitted, match=expected):
        plan_document(document, demo(), OF_THE_COMPANY)


def test_only_the_operator_makes_companies_and_changes_trunks_one_by_one() -> None:
    trunk = {"host": "192.0.2.9", "caller_number": "+74951234500"}
    with pytest.raises(NotPermitted, match="make a company"):
        plan_document(COMPANY, None, OF_THE_COMPANY)
    with pytest.raises(NotPermitted, match="trunks: third"):
        plan_put(demo(), "trunk", "third", trunk, OF_THE_COMPANY)
    with pytest.raises(NotPermitted, match="trunks: second"):
        plan_delete(demo(), "trunk", "second", OF_THE_COMPANY)


def test_the_operator_changes_emergency_numbers() -> None:
    document = {**COMPANY, "emergency_numbers": ["112", "103"]}
    assert plan_document(document, demo(), AROUND).plan.changes == ("company demo: emergency_numbers + 103",)


def test_a_company_does_not_hear_who_has_what_is_taken() -> None:
    with pytest.raises(ConfigError) as raised:
        plan_document({**COMPANY, "domain": "taken.example"}, demo(), OF_THE_COMPANY)
    assert [str(problem) for problem in raised.value.problems if problem.path == "domain"] == [
        "domain: is taken"
    ]
    assert "other" not in str(raised.value)


def test_several_problems_are_told_at_once_and_their_number_is_bounded() -> None:
    document = deepcopy(COMPANY)
    document["people"] += [{"id": f"p{i}", "name": "x", "extension": "bad"} for i in range(300)]
    found = problems_of(document)
    assert len(found) == 101
    assert found[-1] == "and 200 more problems"


def test_changes_are_told_in_lines_without_secrets() -> None:
    document = deepcopy(COMPANY)
    anna = document["people"][0]
    anna["extension"] = "111"
    anna["devices"][0]["password"] = "another secret"
    anna["devices"].reverse()
    anna["next"]["offline"] = {"announcement": "busy"}
    document["people"][1]["do_not_disturb"] = True
    document["numbers"] = [{"number": "+74951234502", "to": {"person": "boris"}}]
    assert plan_document(document, demo(), AROUND).plan.changes == (
        "person anna: extension 101 → 111",
        "person anna: device anna-desk password changed",
        "person anna: devices in another order",
        "person anna: next.offline person boris → announcement busy",
        "person boris: do_not_disturb no → yes",
        "number +74951234502 added",
        "number +74951234501 removed",
    )


def test_putting_one_object_checks_it_against_all_others() -> None:
    change = plan_put(demo(), "person", "boris", {"name": "B", "extension": "103"}, AROUND)
    assert change.plan.changes == ("person boris: name Boris → B", "person boris: extension 102 → 103")
    assert list(change.plan.put) == [("person", "boris")]
    with pytest.raises(ConfigError, match="extension: 101 belongs to anna already"):
        plan_put(demo(), "person", "boris", {"name": "B", "extension": "101"}, AROUND)
    with pytest.raises(ConfigError, match="must be 'boris', as in the address"):
        plan_put(demo(), "person", "boris", {"id": "x", "name": "B", "extension": "103"}, AROUND)


def test_somebody_whom_others_lead_to_cannot_be_removed() -> None:
    with pytest.raises(ConfigError, match=r"person anna: next\.offline\.person: no person 'boris'"):
        plan_delete(demo(), "person", "boris", AROUND)
    with pytest.raises(NoSuchObject):
        plan_delete(demo(), "person", "nobody", AROUND)
    gone = plan_delete(demo(), "number", "+74951234501", AROUND)
    assert gone.plan.delete == (("number", "+74951234501"),)


def test_a_new_username_needs_the_password_anew() -> None:
    document = export(demo())
    document["people"][0]["devices"][0]["username"] = "other"
    assert problems_of(document, demo()) == [
        "people[0].devices[0].password: must be given anew when the username or the domain changes"
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, st.sampled_from(list(COMPANY)), st.integers(0, 1))
def test_whatever_comes_is_refused_with_problems_or_taken(value: Any, key: str, depth: int) -> None:
    document = deepcopy(COMPANY)
    if depth and isinstance(document[key], list):
        document[key][0] = value
    else:
        document[key] = value
    try:
        change = plan_document(document, demo(), AROUND)
    except ConfigError:
        return
    assert plan_document(export(change.after, secrets=True), None, AROUND).after == change.after


RULED = {
    **COMPANY,
    "outside": {
        "trunk": "carrier",
        "prefixes": {"+7": "national", "+1": "partners"},
        "classes_of_service": {"default": {}, "sales": {"may_call": ["national", "partners"]}},
    },
    "ceiling": {"prefixes": ["+7", "+1"]},
}


def test_rules_for_calls_outside_are_written_as_they_were_read() -> None:
    made = plan_document(RULED, None, AROUND).after
    assert plan_document(export(made), made, AROUND).plan.changes == ()
    assert read_document(export(made, secrets=True), Secrets(), Problems())[0] == made


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (
            "d['people'][1]['class_of_service'] = 'guests'",
            "people[1].class_of_service: no class of service 'guests' (there are: default, sales)",
        ),
        (
            "d['people'][0]['next']['busy']['then'] = {'outside': '+14165550100'}",
            "people[0].next.busy.then.outside: +14165550100 is partners by outside.prefixes; "
            "outside.classes_of_service.default.may_call has: national",
        ),
        (
            "d['outside']['classes_of_service']['default']['may_forward'] = False",
            "people[0].next.busy.then.outside: +79160000000 is outside, and outside.classes_of_service.default "
            "has may_forward: false",
        ),
        (
            "d['ceiling']['prefixes'] = ['+1']",
            "people[0].next.busy.then.outside: +79160000000 is above the ceiling of the company, which only the "
            "operator's key may change",
        ),
        (
            "d['numbers'][0]['to'] = {'outside': '+78091234567'}",
            "numbers[0].to.outside: +78091234567 is premium by ",
        ),
    ],
)
def test_no_path_leads_where_calls_are_barred(edit: str, expected: str) -> None:
    document = deepcopy(RULED)
    exec(edit, {"d": document})
    assert expected in [problem[: len(expected)] for problem in problems_of(document)]


def test_a_path_that_is_barred_already_keeps_nobody_from_changing_something_else() -> None:
    made = plan_document(RULED, None, AROUND).after
    closed = evolve(made, company=evolve(made.company, ceiling=Ceiling(())))
    assert plan_put(closed, "person", "boris", {"name": "B", "extension": "103"}, AROUND).plan.changes
    with pytest.raises(ConfigError, match="above the ceiling"):
        plan_put(closed, "number", "+74951234509", {"to": {"outside": "+79160000000"}}, AROUND)
