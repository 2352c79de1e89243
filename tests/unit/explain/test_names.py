"""How a trace names people and devices that are there, and those that are gone."""

from orchestrator.explain.names import Names, names_in
from orchestrator.model.calls import Who
from orchestrator.model.directory import DeviceKind, OutsideDevice, Person
from orchestrator.model.identifiers import E164, DeviceId, ExtensionNumber, LegId, PersonId
from tests.scenarios.company import acme

KINDS = {kind: kind.value for kind in DeviceKind}
MOBILE = OutsideDevice(DeviceId("m"), DeviceKind.MOBILE, E164("+79161234567"), label="work")
ANNA = Person(PersonId("anna"), "Anna", ExtensionNumber("101"), (MOBILE,))
NAMES = Names({ANNA.id: ANNA}.get, {MOBILE.id: MOBILE}.get, {LegId(1): (ANNA.id, MOBILE.id, "")})


def test_people_are_named_with_their_short_numbers_and_devices_with_their_labels() -> None:
    assert NAMES.of_person(ANNA.id) == "Anna (101)"
    assert NAMES.of_device(MOBILE.id, KINDS) == "mobile «work»"
    assert NAMES.of_leg(LegId(1), KINDS) == "Anna (101), mobile «work»"


def test_what_was_deleted_since_is_called_by_its_id() -> None:
    assert NAMES.of_person(PersonId("gone")) == "gone"
    assert NAMES.of_device(DeviceId("gone"), KINDS) == "gone"
    assert NAMES.of_device(None, KINDS) == ""


def test_strangers_are_named_by_what_they_show() -> None:
    assert NAMES.of_party(Who(number="+7495", name="Client"), KINDS, "unknown") == "Client (+7495)"
    assert NAMES.of_party(Who(number="+7495"), KINDS, "unknown") == "+7495"
    assert NAMES.of_party(Who(), KINDS, "unknown") == "unknown"


def test_a_directory_knows_its_people_and_their_devices() -> None:
    names = names_in(acme(ANNA))
    assert names.of_party(Who(ANNA.id, MOBILE.id), KINDS, "") == "Anna (101), mobile «work»"
    assert names.of_party(Who(PersonId("gone"), DeviceId("gone")), KINDS, "") == "gone, gone"
