"""The words for who may do what through the API."""

from datetime import datetime
from typing import Literal, get_args

from attrs import frozen

from orchestrator.model.identifiers import CompanyId

Scope = Literal[
    "calls.read",
    "calls.write",
    "directory.read",
    "directory.write",
    "records.read",
    "events.read",
    "metrics.read",
    "sip.read",
    "admin",
]
SCOPES: frozenset[str] = frozenset(get_args(Scope))
"""All that a key may hold. "admin" implies every other."""


@frozen
class Principal:
    """Who asks. Without a company: the operator, who may ask for all of them."""

    key_id: str
    name: str
    company: CompanyId | None
    scopes: frozenset[str]

    @property
    def is_operator(self) -> bool:
        """Whether the whole exchange is theirs."""
        return self.company is None

    def may(self, scope: str) -> bool:
        """Whether `scope` is granted."""
        return scope in self.scopes or "admin" in self.scopes


@frozen
class KeyView:
    """An API key as it may be shown. Its secret is told once, when it is made, and kept as a hash only."""

    id: str
    name: str
    company: CompanyId | None
    scopes: frozenset[str]
    created_at: datetime
    expires_at: datetime | None
