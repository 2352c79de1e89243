import timeit

from orchestrator.model.directory import Announcement, Company, Number, Person, ToPerson
from orchestrator.model.identifiers import E164, CompanyId, ExtensionNumber, PersonId, PromptName
from orchestrator.model.outside import Bar, Way
from orchestrator.numbering.directory import Directory, directory_of
from tests.scenarios.company import acme, mobile, person, sip, to


def test_a_device_is_found_with_its_owner() -> None:
    anna = person("anna", "101", sip("anna-desk"), mobile("anna-mobile", "+79161230101"))
    directory = acme(anna)
    assert directory.owner(anna.devices[1].id) == anna
    assert directory.owner(None) is None
    assert directory.owners[anna.devices[0].id] == (anna, anna.devices[0])
    assert directory.by_extension("101") == anna
    assert directory.by_extension("1010") is None


def test_a_number_is_found_in_any_spelling() -> None:
    directory = acme(numbers={"+74951234501": to("zoe")})
    for spelling in ("+74951234501", "74951234501", "84951234501", "8 (495) 123-45-01", "0074951234501"):
        number = directory.number(spelling)
        assert number is not None, spelling
        assert number.number == "+74951234501"
    assert directory.number("") is None
    assert directory.number("101") is None


def test_only_permitted_numbers_may_be_called() -> None:
    directory = acme(numbers={"+74951234501": to("zoe")})

    def why(number: str, directory: Directory = directory) -> Bar | None:
        barred = directory.bar(PersonId("zoe"), number, Way.CALL)
        return barred.because if barred else None

    assert why("+79161230101") is None
    assert why("112") is None
    assert why("+4930123456") is Bar.COST_CLASS
    assert why("+74951234501") is Bar.OWN_NUMBER, "it would go out and come back"
    isolated = directory_of(Company(CompanyId("x"), "X", "x", Announcement(PromptName("p"))))
    assert why("112", isolated) is Bar.NO_TRUNK


def test_a_hundred_thousand_numbers_are_found_as_fast_as_a_thousand() -> None:
    small, large = _directory(1_000), _directory(100_000)
    assert large.number("84950099999") is not None
    ratio = _time_of(large) / _time_of(small)
    assert ratio < 5, "a look-up must not grow with the directory"


def _directory(size: int) -> Directory:
    company = Company(CompanyId("big"), "Big", "big.example", Announcement(PromptName("unavailable")))
    people = [Person(PersonId(f"p{i}"), "", ExtensionNumber(f"{i}")) for i in range(size)]
    numbers = [Number(E164(f"+7495{i:07}"), ToPerson(PersonId(f"p{i}"))) for i in range(size)]
    return directory_of(company, people, (), numbers)


def _time_of(directory: Directory) -> float:
    def look_up() -> None:
        for i in range(0, 1000, 10):
            assert directory.number(f"8495{i:07}")
            assert directory.by_extension(str(i))

    return min(timeit.repeat(look_up, number=1, repeat=15))
