"""Which prompts a company's configuration names."""

from collections.abc import Iterator

from orchestrator.configuration.document import Configuration
from orchestrator.model.directory import Announcement, Destination
from orchestrator.model.identifiers import PromptName


def prompts_of(configuration: Configuration) -> set[PromptName]:
    """All that its numbers, people and terminal lead to."""
    names = set(_of(configuration.company.terminal))
    for number in configuration.numbers.values():
        names.update(_of(number.leads_to))
    for person in configuration.people.values():
        for step in person.next_steps.values():
            names.update(_of(step))
    return names


def _of(destination: Destination | None) -> Iterator[PromptName]:
    while isinstance(destination, Announcement):
        yield destination.prompt
        destination = destination.then
