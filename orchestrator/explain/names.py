"""Who is who in a sentence. People are named with their short numbers, strangers by their public ones."""

from collections.abc import Callable, Mapping

from attrs import field, frozen

from orchestrator.model.calls import Who
from orchestrator.model.directory import Device, DeviceKind, Person
from orchestrator.model.identifiers import DeviceId, LegId, PersonId
from orchestrator.numbering.directory import Directory


def _nobody(_: PersonId) -> Person | None:
    return None


def _no_device(_: DeviceId) -> Device | None:
    return None


@frozen
class Names:
    """Looks names up. Things that were deleted since are called by their ids."""

    person: Callable[[PersonId], Person | None] = _nobody
    device: Callable[[DeviceId], Device | None] = _no_device
    legs: Mapping[LegId, tuple[PersonId | None, DeviceId | None, str]] = field(factory=dict)
    """Whose leg it is: person, device, number; filled while a call is told from its beginning."""

    def of_person(self, person: PersonId) -> str:
        """ "Anna Ivanova (101)"."""
        found = self.person(person)
        return f"{found.name} ({found.extension})" if found else str(person)

    def of_device(self, device: DeviceId | None, kinds: Mapping[DeviceKind, str]) -> str:
        """ "desk phone", with its label if it has one; "" for None."""
        if device is None:
            return ""
        found = self.device(device)
        if found is None:
            return str(device)
        return f"{kinds[found.kind]} «{found.label}»" if found.label else kinds[found.kind]

    def of_party(self, who: Who, kinds: Mapping[DeviceKind, str], stranger: str) -> str:
        """ "Anna Ivanova (101), mobile"; `stranger` names somebody without a number."""
        if who.person is not None:
            device = self.of_device(who.device, kinds)
            return f"{self.of_person(who.person)}, {device}" if device else self.of_person(who.person)
        if who.name and who.number:
            return f"{who.name} ({who.number})"
        return who.name or who.number or stranger

    def of_leg(self, leg: LegId, kinds: Mapping[DeviceKind, str]) -> str:
        """ "Anna Ivanova (101), mobile"; "" for a leg nobody introduced."""
        person, device, number = self.legs.get(leg, (None, None, ""))
        return self.of_party(Who(person=person, device=device, number=number), kinds, "")


def names_in(directory: Directory) -> Names:
    """The names that a company's directory knows now."""
    owners = directory.owners
    return Names(directory.people.get, lambda device: owners[device][1] if device in owners else None)
