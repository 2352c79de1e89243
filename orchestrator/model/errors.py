"""Errors by who is to blame: the operator (`ConfigError`), the host (`ResourceError`), the user (`DomainError`)."""

from collections.abc import Sequence
from typing import ClassVar

from attrs import frozen


@frozen
class Problem:
    """One thing wrong with a document. `path` is such as "people[3].devices[0].ring_s"; "" is the whole."""

    path: str
    what: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}" if self.path else self.what


class ConfigError(Exception):
    """The operator's mistake: a document or a setting that cannot be taken. Nothing was changed."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class ResourceError(Exception):
    """The host ran out: a full disk, a busy port, a database that is locked or away."""


class DomainError(Exception):
    """The user's mistake. `code` is stable and part of the API's contract."""

    code: ClassVar[str] = "invalid_input"


class NoSuchCompany(DomainError, KeyError):
    """No company of this name, or not the asker's."""

    code = "not_found"

    def __str__(self) -> str:
        return f"no company {self.args[0]!r}" if self.args else "no such company"


class NoSuchObject(DomainError):
    """The company has no such person, number, trunk, site or key."""

    code = "not_found"


class NoSuchCall(DomainError):
    """No such call is going on in this company."""

    code = "not_found"


class NotPermitted(DomainError):
    """Something that is for the operator of the exchange alone."""

    code = "forbidden"


class StateConflict(DomainError):
    """Understood, but not possible in the present state."""

    code = "state_conflict"


class StaleVersion(DomainError):
    """The object was changed meanwhile: `if_version` is not its version."""

    code = "etag_mismatch"


class KeyReused(DomainError):
    """An idempotency key came back with another request."""

    code = "idempotency_key_reused"


class InFlight(DomainError):
    """The first request with this idempotency key is still being carried out."""

    code = "request_in_flight"


class OutcomeUnknown(DomainError):
    """A request with this idempotency key was begun, and nobody knows what became of it."""

    code = "outcome_unknown"


class SlowConsumer(DomainError):
    """A subscriber fell too far behind and was let go; it may resume from the last entry that it saw."""

    code = "slow_consumer"


class NotAccepting(DomainError):
    """The exchange takes no new calls now, because it could not remember them."""

    code = "storage_unavailable"
