"""The shapes of configuration: a company's words in one value, its documents, and a plan of change."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from attrs import field, frozen

from orchestrator.model.directory import Company, Number, Person, Site, Trunk
from orchestrator.model.identifiers import E164, CompanyId, PersonId, SiteId, TrunkId

Kind = Literal["company", "site", "trunk", "person", "number"]
KINDS: tuple[Kind, ...] = ("company", "site", "trunk", "person", "number")

Body = Mapping[str, Any]
"""A document's content: JSON values."""

Key = tuple[Kind, str]


@frozen
class Document:
    """One object of a company as the API shows it: without secrets."""

    kind: Kind
    id: str
    body: Body
    version: int
    """Counts the changes to the object, from 1."""


@frozen
class Configuration:
    """All words of one company."""

    company: Company
    sites: Mapping[SiteId, Site] = field(factory=dict)
    trunks: Mapping[TrunkId, Trunk] = field(factory=dict)
    people: Mapping[PersonId, Person] = field(factory=dict)
    numbers: Mapping[E164, Number] = field(factory=dict)


@frozen
class Plan:
    """What applying a document would change, or has changed."""

    company: CompanyId
    changes: tuple[str, ...]
    """Lines such as "person anna: extension 101 → 111". Empty: nothing to do."""
    put: Mapping[Key, Body] = field(factory=dict, repr=False)
    """Objects to write, secrets included."""
    delete: tuple[Key, ...] = ()


@frozen
class Surroundings:
    """What a company's documents are checked against, besides themselves."""

    domains: Mapping[str, CompanyId] = field(factory=dict)
    """Domains of all companies."""
    trunks: Mapping[CompanyId, tuple[Trunk, ...]] = field(factory=dict)
    """Trunks of all companies."""
    time_zones: frozenset[str] | None = None
    """IANA names; None: not checked."""
    prompts: Callable[[CompanyId, str], frozenset[str]] | None = None
    """Prompt names of a company in a language; None: not checked."""
    is_own: Callable[[str, int, str], bool] | None = None
    """Whether a host, port and transport are the exchange's; None: not checked."""
    as_operator: bool = True
    """Whether the operator of the exchange asks: nobody else changes what is the operator's, or hears of other
    companies."""
