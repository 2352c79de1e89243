"""What every flow is given: the devices of one world and the calls that go on in it."""

from collections.abc import Callable

from attrs import field, frozen

from orchestrator.flows.active import ActiveCalls
from orchestrator.model.identifiers import CompanyId
from orchestrator.numbering.directory import Directory
from orchestrator.ports import Identifiers, Journal, Switch


@frozen(eq=False)
class World:
    """Made once: by the application on the engine, by a rehearsal on virtual phones."""

    switch: Switch
    journal: Journal
    identifiers: Identifiers
    directory: Callable[[CompanyId], Directory]
    """The company's directory as it is now. Raises `NoSuchCompany`."""
    active: ActiveCalls = field(factory=ActiveCalls)
