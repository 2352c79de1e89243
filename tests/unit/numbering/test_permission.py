"""Who may call what outside: one decision for every way that leads there."""

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.identifiers import PersonId
from orchestrator.model.outside import (
    BUILT_IN,
    EMERGENCY,
    NATIONAL,
    Bar,
    Ceiling,
    ClassOfService,
    CostClass,
    Way,
)
from orchestrator.numbering.directory import Directory, directory_of
from tests.scenarios.company import acme, person

ZOE = PersonId("zoe")
PARTNERS = CostClass("partners")
OPEN = Ceiling()


def company(
    services: dict[str, ClassOfService], ceiling: Ceiling = OPEN, *, of: str = "default"
) -> Directory:
    directory = acme()
    changed = evolve(
        directory.company,
        outside_prefixes={"+7": NATIONAL, "+4930": PARTNERS},
        classes_of_service=services,
        ceiling=ceiling,
    )
    zoe = evolve(person("zoe", "199"), class_of_service=of)
    return directory_of(changed, (zoe,), directory.trunks.values())


def because(directory: Directory, number: str, way: Way = Way.CALL, by: PersonId | None = ZOE) -> Bar | None:
    barred = directory.bar(by, number, way)
    return barred.because if barred else None


def test_premium_and_foreign_numbers_are_closed_to_whoever_has_no_class_of_service() -> None:
    directory = company({})
    assert because(directory, "+74951234567") is None
    for number in ("+78091234567", "+4940123456", "+4930123456", "+88213001234"):
        assert because(directory, number) is Bar.COST_CLASS
    barred = directory.bar(ZOE, "+88213001234", Way.CALL)
    assert barred is not None
    assert (barred.cost_class, barred.by, barred.may_call) == ("satellite", ZOE, (NATIONAL,))


def test_each_person_has_a_class_of_service_and_the_company_itself_the_default() -> None:
    services = {"default": ClassOfService(()), "sales": ClassOfService((NATIONAL, PARTNERS))}
    directory = company(services, of="sales")
    assert because(directory, "+4930123456") is None
    assert because(directory, "+4930123456", by=None) is Bar.COST_CLASS
    assert because(company(services), "+74951234567") is Bar.COST_CLASS


def test_transfer_and_forwarding_are_rights_of_their_own() -> None:
    directory = company({"default": ClassOfService(may_transfer=False, may_forward=False)})
    assert because(directory, "+74951234567", Way.CALL) is None
    assert because(directory, "+74951234567", Way.TRANSFER) is Bar.TRANSFER
    assert because(directory, "+74951234567", Way.FORWARD) is Bar.FORWARD


def test_nothing_that_a_company_writes_leads_over_its_ceiling() -> None:
    generous = {"default": ClassOfService((*BUILT_IN, PARTNERS))}
    directory = company(generous, Ceiling(("+7",)))
    assert because(directory, "+74951234567") is None
    assert because(directory, "+4930123456") is Bar.CEILING
    assert because(directory, "+78091234567") is Bar.CEILING, "premium is opened by its own prefix only"
    assert because(company(generous, Ceiling(("+7", "+7809"))), "+78091234567") is None
    assert because(company(generous, Ceiling(())), "+74951234567") is Bar.CEILING


SERVICES = st.builds(
    ClassOfService,
    st.lists(st.sampled_from([*BUILT_IN, PARTNERS]), unique=True).map(tuple),
    st.booleans(),
    st.booleans(),
)
CEILINGS = st.builds(
    Ceiling, st.none() | st.lists(st.sampled_from(["+7", "+49", "+7809", "+882"])).map(tuple)
)
NUMBERS = st.sampled_from(["+74951234567", "+78091234567", "+4930123456", "+88213001234", "+12125550100"])


@given(service=SERVICES, ceiling=CEILINGS, way=st.sampled_from(Way))
def test_an_emergency_number_is_never_barred(service: ClassOfService, ceiling: Ceiling, way: Way) -> None:
    directory = company({"default": service}, ceiling)
    assert because(directory, "112", way) is None
    assert directory.permission.cost_class("112") == EMERGENCY


@given(service=SERVICES, ceiling=CEILINGS, way=st.sampled_from(Way), number=NUMBERS)
def test_less_right_never_opens_a_number(
    service: ClassOfService, ceiling: Ceiling, way: Way, number: str
) -> None:
    if because(company({"default": service}, ceiling), number, way) is not None:
        for less in (
            evolve(service, may_call=service.may_call[:-1]),
            evolve(service, may_transfer=False),
            evolve(service, may_forward=False),
        ):
            assert because(company({"default": less}, ceiling), number, way) is not None
        lower = evolve(ceiling, prefixes=(ceiling.prefixes or ())[:-1])
        assert because(company({"default": service}, lower), number, way) is not None
