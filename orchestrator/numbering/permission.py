"""Whether a number outside may be called: one decision for whoever dials, transfers, forwards or gives a command.

It takes the right of the one who causes the call, and says why not. What is asked of time and of other calls (limits)
is not asked here.
"""

from collections.abc import Mapping
from typing import Final

from attrs import frozen

from orchestrator.model.directory import Company, Person
from orchestrator.model.outside import (
    DEFAULT,
    EMERGENCY,
    NATIONAL,
    Bar,
    Barred,
    ClassOfService,
    CostClass,
    Way,
)
from orchestrator.numbering.costs import Costs, costs_of


@frozen
class Permission:
    """What a company's people may call outside. Made by `permission_of`."""

    has_trunk: bool
    emergency_numbers: tuple[str, ...]
    costs: Costs
    ceiling: Costs | None
    """By it a number is national if the operator has opened it to the company."""
    services: Mapping[str, ClassOfService]

    def cost_class(self, number: str) -> CostClass:
        """The class of a number that is dialled outside."""
        return EMERGENCY if number in self.emergency_numbers else self.costs.of(number)

    def service(self, person: Person | None) -> ClassOfService:
        """The class of service of a person; None: the company's own."""
        services = self.services
        name = DEFAULT if person is None else person.class_of_service
        return services.get(name) or services.get(DEFAULT) or _ORDINARY

    def bar(self, person: Person | None, number: str, way: Way) -> Barred | None:
        """Why a call that `person` causes does not go to `number`; None: it may. Costs a few microseconds."""
        cost_class = self.cost_class(number)
        if not self.has_trunk:
            return Barred(number, Bar.NO_TRUNK, cost_class)
        if cost_class == EMERGENCY:
            return None
        service = self.service(person)
        if cost_class not in service.may_call:
            because = Bar.COST_CLASS
        elif way is Way.TRANSFER and not service.may_transfer:
            because = Bar.TRANSFER
        elif way is Way.FORWARD and not service.may_forward:
            because = Bar.FORWARD
        elif self.ceiling is not None and self.ceiling.of(number) != NATIONAL:
            because = Bar.CEILING
        else:
            return None
        return Barred(number, because, cost_class, person.id if person else None, service.may_call)


def permission_of(company: Company, *, has_trunk: bool) -> Permission:
    """Read the rules of a company once."""
    opened = company.ceiling.prefixes
    return Permission(
        has_trunk,
        company.emergency_numbers,
        costs_of(company.outside_prefixes, company.country_code),
        None if opened is None else costs_of(dict.fromkeys(opened, NATIONAL), ""),
        company.classes_of_service,
    )


_ORDINARY: Final = ClassOfService()
