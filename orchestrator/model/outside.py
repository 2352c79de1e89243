"""The words for calls to public numbers: what a number costs, who may call it, how many such calls there may be.

* **cost class**: what a public number is to whoever pays for the call: "national", "premium", or a company's own word.
* **class of service**: which cost classes a person may call, and whether by transfer and forwarding too.
* **limits**: how much may go outside. A **ceiling** is the operator's, and the company cannot raise it.
"""

import enum
from typing import Final, NewType

from attrs import frozen
from msgspec import Struct

from orchestrator.model.identifiers import PersonId

CostClass = NewType("CostClass", str)

NATIONAL: Final = CostClass("national")
FOREIGN: Final = CostClass("foreign")
PREMIUM: Final = CostClass("premium")
SATELLITE: Final = CostClass("satellite")
"""Satellite phones and international networks."""
EMERGENCY: Final = CostClass("emergency")
"""Calls for help: always permitted, never counted. No prefix can have this class."""

BUILT_IN: Final = (NATIONAL, FOREIGN, PREMIUM, SATELLITE)
"""What every company has."""


class Way(enum.Enum):
    """How somebody comes to call a number outside."""

    CALL = "call"
    """Dials it, or has it dialled by a command."""
    TRANSFER = "transfer"
    """Leaves somebody else to it."""
    FORWARD = "forward"
    """Is rung there, or sends callers there."""


class Bar(enum.Enum):
    """Why a number outside is not called."""

    NO_TRUNK = "no_trunk"
    """The company has none for calls outside."""
    OWN_NUMBER = "own_number"
    """It is the company's own: the call would go out and come back."""
    COST_CLASS = "cost_class"
    """The class of service leaves out the number's cost class."""
    TRANSFER = "transfer"
    FORWARD = "forward"
    """The class of service leaves out this way."""
    CEILING = "ceiling"
    """The operator has not opened this number to the company."""


class Barred(Struct, frozen=True):
    """A number outside that is not called, and why."""

    number: str
    because: Bar
    cost_class: CostClass
    by: PersonId | None = None
    """Whose right it was; None: the company's own, its class of service "default"."""
    may_call: tuple[CostClass, ...] = ()
    """What that class of service has."""


@frozen
class ClassOfService:
    """What a person may do towards the outside."""

    may_call: tuple[CostClass, ...] = (NATIONAL,)
    may_transfer: bool = True
    """Leave somebody to a number outside."""
    may_forward: bool = True
    """Have devices and next steps outside."""


@frozen
class Ceiling:
    """What the operator lets a company do, whatever it permits itself."""

    prefixes: tuple[str, ...] | None = None
    """Public numbers must begin with one of these; premium and satellite ones with one as long. None: all may."""


DEFAULT: Final = "default"
"""The class of service of whoever has no other."""
