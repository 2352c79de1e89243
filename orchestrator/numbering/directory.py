"""One company at one moment: its people, trunks and numbers, each found in constant time.

A directory never changes; a change of configuration makes a new one, and a call keeps the one it began with.
"""

from collections.abc import Iterable, Mapping

from attrs import field, frozen

from orchestrator.model.directory import Company, Device, Number, Person, Site, Trunk
from orchestrator.model.identifiers import (
    E164,
    CompanyId,
    DeviceId,
    ExtensionNumber,
    PersonId,
    SiteId,
    TrunkId,
)
from orchestrator.model.outside import Bar, Barred, Way
from orchestrator.model.spelling import NumberFormat, NumberRule
from orchestrator.numbering.carrier import read
from orchestrator.numbering.permission import Permission, permission_of
from orchestrator.numbering.spelling import to_e164


@frozen(eq=False)
class Directory:
    """Made by `directory_of`."""

    company: Company
    people: Mapping[PersonId, Person]
    trunks: Mapping[TrunkId, Trunk]
    numbers: Mapping[E164, Number]
    sites: Mapping[SiteId, Site]
    owners: Mapping[DeviceId, tuple[Person, Device]] = field(repr=False)
    """Every device with the person it belongs to."""
    extensions: Mapping[ExtensionNumber, Person] = field(repr=False)
    permission: Permission = field(repr=False)
    """Who may call what outside."""

    @property
    def id(self) -> CompanyId:
        """Whose directory this is."""
        return self.company.id

    def person(self, id: PersonId) -> Person | None:
        """The person of that name."""
        return self.people.get(id)

    def by_extension(self, dialled: str) -> Person | None:
        """The person who has this short number."""
        return self.extensions.get(ExtensionNumber(dialled))

    def owner(self, device: DeviceId | None) -> Person | None:
        """Whose device that is."""
        owned = None if device is None else self.owners.get(device)
        return owned[0] if owned else None

    def number(self, dialled: str) -> Number | None:
        """The company's own public number, in whatever spelling."""
        return self.numbers.get(E164(dialled)) or self.numbers.get(self.spelled_out(dialled) or E164(""))

    def spelled_out(self, dialled: str) -> E164 | None:
        """The public number that is meant when somebody of this company dials so; None: it is none."""
        return to_e164(dialled, self.company.country_code)

    def called_by(self, trunk: TrunkId, called: str) -> Number | None:
        """The company's own public number that a trunk means."""
        found = self.trunks.get(trunk)
        if found is None:
            return self.number(called)
        number = read(called, found.numbers.into.called, self.company.country_code)
        return None if number is None else self.numbers.get(number)

    def caller_by(self, trunk: TrunkId, number: str) -> str:
        """Who calls by a trunk: a public number, or what came where it is none."""
        found = self.trunks.get(trunk)
        rule = found.numbers.into.caller if found else NumberRule(NumberFormat.ANY)
        return read(number, rule, self.company.country_code) or number

    def shown_by(self, trunk: Trunk, device: DeviceId | None) -> E164:
        """The number that people outside see when that device calls: its owner's, if it is the company's still."""
        person = self.owner(device)
        number = None if person is None else person.caller_number
        if number is not None and number in self.numbers and may_show(trunk, number):
            return number
        return trunk.caller_number

    @property
    def way_out(self) -> Trunk | None:
        """The trunk that carries calls to public numbers."""
        return self.trunks.get(self.company.outside_trunk) if self.company.outside_trunk else None

    def bar(self, by: PersonId | None, number: str, way: Way) -> Barred | None:
        """Why a call outside that `by` causes (None: the company itself) is not made; None: it may be."""
        if number in self.numbers:
            return Barred(number, Bar.OWN_NUMBER, self.permission.cost_class(number), by)
        return self.permission.bar(None if by is None else self.people.get(by), number, way)


def may_show(trunk: Trunk, number: str) -> bool:
    """Whether calls through a trunk may show this number: the carrier and the operator say which are ours."""
    return number == trunk.caller_number or number.startswith(trunk.shows)


def directory_of(
    company: Company,
    people: Iterable[Person] = (),
    trunks: Iterable[Trunk] = (),
    numbers: Iterable[Number] = (),
    sites: Iterable[Site] = (),
) -> Directory:
    """Build the indexes. What stands twice (the configuration refuses that) is found as its last."""
    by_id = {person.id: person for person in people}
    trunks_by_id = {trunk.id: trunk for trunk in trunks}
    return Directory(
        company,
        by_id,
        trunks_by_id,
        {number.number: number for number in numbers},
        {site.id: site for site in sites},
        {device.id: (person, device) for person in by_id.values() for device in person.devices},
        {person.extension: person for person in by_id.values()},
        permission_of(company, has_trunk=company.outside_trunk in trunks_by_id),
    )
