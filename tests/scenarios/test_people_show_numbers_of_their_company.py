"""Whoever calls outside shows a number of the company that the trunk lets them show, and no other."""

import pytest
from attrs import evolve
from trio.testing import MockClock

from orchestrator.model.identifiers import E164
from orchestrator.numbering.directory import directory_of
from tests.scenarios.company import CARRIER, acme, open_office, person, to

OWN, TRUNKS, OUTSIDE = "+74951234501", "+74951234500", "+74957654321"


@pytest.mark.parametrize(
    ("caller_number", "shows", "shown"),
    [
        (OWN, ("+7495123",), OWN),
        (OWN, ("+7812", OWN), OWN),
        (OWN, (), TRUNKS),
        (OWN, ("+7812",), TRUNKS),
        ("+74951234599", ("+7495123",), TRUNKS),
        (TRUNKS, (), TRUNKS),
        (None, ("+7495123",), TRUNKS),
    ],
)
async def test_a_person_shows_an_own_number_if_it_is_the_companys(
    caller_number: str | None, shows: tuple[str, ...], shown: str, autojump_clock: MockClock
) -> None:
    anna = evolve(person("anna", "101"), caller_number=E164(caller_number) if caller_number else None)
    made = acme(anna, numbers={OWN: to("anna")})
    trunk = evolve(made.trunks[CARRIER], shows=shows)
    directory = directory_of(made.company, made.people.values(), [trunk], made.numbers.values())
    async with open_office(directory) as office:
        office.outside(OUTSIDE)
        office.call(OUTSIDE, device="anna-desk")
        await office.all_over()
        office.call(OUTSIDE)
        await office.all_over()
    assert [seen.number for seen in office.switch.shown] == [shown, TRUNKS]
