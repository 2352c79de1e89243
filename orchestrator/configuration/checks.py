"""How the objects of a company fit together, and the company into the exchange."""

from collections.abc import Mapping

from attrs import define

from orchestrator.configuration.document import Configuration, Key, Kind, Surroundings
from orchestrator.configuration.fields import Problems
from orchestrator.configuration.origins import hosts_of, origins_of, overlap
from orchestrator.configuration.spelling import wrong_numbers
from orchestrator.model.directory import (
    Announcement,
    Destination,
    OutsideDevice,
    Person,
    SipDevice,
    ToOutside,
    ToPerson,
)
from orchestrator.model.identifiers import DeviceId, ExtensionNumber, PersonId, TrunkId
from orchestrator.model.outside import DEFAULT, Bar, Barred, Way
from orchestrator.numbering.directory import may_show
from orchestrator.numbering.permission import Permission, permission_of


def check(
    configuration: Configuration, where: Mapping[Key, str], around: Surroundings, problems: Problems
) -> None:
    """Note whatever does not fit. `where` gives the path of an object in the document at hand, if it is there."""
    _Check(configuration, where, around, problems).run()


@define
class _Check:
    configuration: Configuration
    where: Mapping[Key, str]
    around: Surroundings
    problems: Problems
    permission: Permission | None = None
    """Who may call what outside, once asked for."""
    known: frozenset[str] | None = None
    """Prompts, once asked for."""

    def run(self) -> None:
        self._company()
        self._trunks()
        self._people()
        for number in self.configuration.numbers.values():
            self._leads(number.leads_to, "number", number.number, "to")

    def _company(self) -> None:
        company = self.configuration.company
        owner = self.around.domains.get(company.domain, company.id)
        if owner != company.id:
            told = f"is the domain of company {owner}" if self.around.as_operator else "is taken"
            self._wrong("company", company.id, "domain", told)
        self._zone(company.time_zone, "company", company.id)
        self._prompt(company.terminal, "company", company.id, "terminal")
        trunk = company.outside_trunk
        if trunk and trunk not in self.configuration.trunks:
            self._wrong("company", company.id, "outside.trunk", f"no trunk {trunk!r}")
        if company.outside_prefixes and not trunk:
            self._wrong("company", company.id, "outside.trunk", "missing: prefixes without a trunk")

    def _trunks(self) -> None:
        """A call is a trunk's by the address it comes from."""
        own = self.configuration.company.id
        taken = [
            (origin, f"trunk {trunk.id} of company {company}")
            for company, trunks in self.around.trunks.items()
            if company != own
            for trunk in trunks
            if not trunk.register
            for _, origin in origins_of(trunk)
        ]
        peers: dict[tuple[str, int, str], str] = {}
        usual = {"tls": 5061}
        is_own = self.around.is_own
        for trunk in self.configuration.trunks.values():
            places = [
                (key, (one.host, one.port or usual.get(trunk.transport, 5060), trunk.transport))
                for key, one in hosts_of(trunk)
            ]
            for key, (host, port, transport) in places:
                if is_own is not None and is_own(host, port, transport):
                    told = f"{host}:{port} is this exchange: its calls would go round in circles"
                    self._wrong("trunk", trunk.id, key, told)
            own_numbers = self.configuration.numbers
            for key, told in wrong_numbers(trunk, own_numbers, self.configuration.company.country_code):
                self._wrong("trunk", trunk.id, key, told)
            if trunk.register:
                continue
            for key, origin in origins_of(trunk):
                owner = next((owner for other, owner in taken if overlap(origin, other)), None)
                if owner is not None:
                    told = f"belongs to {owner} already" if self.around.as_operator else "is taken"
                    self._wrong("trunk", trunk.id, key, f"{origin} {told}")
            for key, peer in places:
                if (other := peers.setdefault(peer, trunk.id)) != trunk.id:
                    self._wrong("trunk", trunk.id, key, f"has the address of trunk {other}")

    def _people(self) -> None:
        extensions: dict[ExtensionNumber, PersonId] = {}
        devices: dict[DeviceId, PersonId] = {}
        usernames: dict[str, DeviceId] = {}
        emergency = self.configuration.company.emergency_numbers
        for person in self.configuration.people.values():
            if person.extension in emergency:
                self._wrong("person", person.id, "extension", f"{person.extension} is an emergency number")
            elif (other := extensions.setdefault(person.extension, person.id)) != person.id:
                self._wrong(
                    "person", person.id, "extension", f"{person.extension} belongs to {other} already"
                )
            if person.site and person.site not in self.configuration.sites:
                self._wrong("person", person.id, "site", f"no site {person.site!r}")
            services = self.configuration.company.classes_of_service
            if person.class_of_service != DEFAULT and person.class_of_service not in services:
                names = ", ".join(sorted({DEFAULT, *services}))
                told = f"no class of service {person.class_of_service!r} (there are: {names})"
                self._wrong("person", person.id, "class_of_service", told)
            self._shown(person)
            if person.time_zone:
                self._zone(person.time_zone, "person", person.id)
            for place, device in enumerate(person.devices):
                at = f"devices[{place}]"
                if device.id in devices:
                    self._wrong(
                        "person", person.id, f"{at}.id", f"{device.id!r} is taken by {devices[device.id]}"
                    )
                devices[device.id] = person.id
                if isinstance(device, SipDevice):
                    if (user := usernames.setdefault(device.username, device.id)) != device.id:
                        self._wrong("person", person.id, f"{at}.username", f"is taken by device {user}")
                elif isinstance(device, OutsideDevice):
                    self._allowed(person, device.number, "person", person.id, f"{at}.number")
            self._steps(person)

    def _shown(self, person: Person) -> None:
        """Nobody outside is shown a number that is somebody else's."""
        number = person.caller_number
        if number is None:
            return
        trunk = self.configuration.trunks.get(self.configuration.company.outside_trunk or TrunkId(""))
        if number not in self.configuration.numbers:
            told = f"{number} is no number of the company; add it to numbers, or leave caller_number out"
            self._wrong("person", person.id, "caller_number", told)
        elif trunk is not None and not may_show(trunk, number):
            told = f"trunk {trunk.id} does not show {number}: its shows, which only the operator's key changes, has: "
            told += ", ".join(trunk.shows) or "nothing"
            self._wrong("person", person.id, "caller_number", told)

    def _steps(self, person: Person) -> None:
        for refusal, step in person.next_steps.items():
            at = f"next.{refusal.value}"
            if isinstance(step, ToPerson) and step.person == person.id:
                self._wrong("person", person.id, at, "leads back to the same person")
            else:
                self._leads(step, "person", person.id, at, person)

    def _leads(
        self, destination: Destination, kind: Kind, id: str, at: str, by: Person | None = None
    ) -> None:
        match destination:
            case ToPerson():
                if destination.person not in self.configuration.people:
                    self._wrong(kind, id, f"{at}.person", f"no person {destination.person!r}")
            case ToOutside():
                self._allowed(by, destination.number, kind, id, f"{at}.outside")
            case Announcement():
                self._prompt(destination, kind, id, at)
                if destination.then is not None:
                    self._leads(destination.then, kind, id, f"{at}.then", by)

    def _allowed(self, by: Person | None, number: str, kind: Kind, id: str, at: str) -> None:
        """No call is sent where it would be barred. What an object says that is not at hand refuses no change."""
        company = self.configuration.company
        if (
            not {(kind, id), ("company", company.id)} & self.where.keys()
            or number in self.configuration.numbers
        ):
            return
        if self.permission is None:
            self.permission = permission_of(company, has_trunk=company.outside_trunk is not None)
        barred = self.permission.bar(by, number, Way.FORWARD)
        if barred is not None:
            self._wrong(kind, id, at, _why(barred, by))

    def _prompt(self, announcement: Announcement, kind: Kind, id: str, at: str) -> None:
        if self.around.prompts is None or not announcement.prompt:
            return
        company = self.configuration.company
        if self.known is None:
            self.known = self.around.prompts(company.id, company.language)
        known = self.known
        if announcement.prompt not in known:
            names = ", ".join(sorted(known)) or "none"
            self._wrong(
                kind, id, f"{at}.announcement", f"no prompt {announcement.prompt!r} (there are: {names})"
            )

    def _zone(self, zone: str, kind: Kind, id: str) -> None:
        if self.around.time_zones is not None and zone not in self.around.time_zones:
            self._wrong(kind, id, "time_zone", f"no time zone {zone!r}; names are such as Europe/Moscow")

    def _wrong(self, kind: Kind, id: str, at: str, what: str) -> None:
        here = self.where.get((kind, id))
        if here is None:
            self.problems.add("", f"{kind} {id}: {at}: {what}")
        else:
            self.problems.add(f"{here}.{at}" if here else at, what)


def _why(barred: Barred, by: Person | None) -> str:
    service = f"outside.classes_of_service.{by.class_of_service if by else DEFAULT}"
    match barred.because:
        case Bar.NO_TRUNK:
            return "the company has no trunk for calls outside (outside.trunk)"
        case Bar.OWN_NUMBER:
            return f"{barred.number} is the company's own number"
        case Bar.COST_CLASS:
            allowed = ", ".join(barred.may_call) or "nobody outside"
            return f"{barred.number} is {barred.cost_class} by outside.prefixes; {service}.may_call has: {allowed}"
        case Bar.TRANSFER | Bar.FORWARD:
            return f"{barred.number} is outside, and {service} has may_forward: false"
        case Bar.CEILING:
            return f"{barred.number} is above the ceiling of the company, which only the operator's key may change"
