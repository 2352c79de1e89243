"""Names of things, each its own type. All are unique within their company unless said otherwise."""

from typing import NewType

CompanyId = NewType("CompanyId", str)
"""Unique in the exchange; a slug such as "demo"."""

SiteId = NewType("SiteId", str)
PersonId = NewType("PersonId", str)
DeviceId = NewType("DeviceId", str)
TrunkId = NewType("TrunkId", str)
PromptName = NewType("PromptName", str)

ExtensionNumber = NewType("ExtensionNumber", str)
"""A short number, 2..6 digits."""

E164 = NewType("E164", str)
"""A public number with its plus sign: "+74951234567"."""

CallId = NewType("CallId", str)
"""A UUIDv7 (RFC 9562), unique everywhere and unguessable."""

CommandId = NewType("CommandId", str)
"""A UUIDv7, unique everywhere."""

LegId = NewType("LegId", int)
"""Unique in one run of the exchange."""

BindingId = NewType("BindingId", int)
"""Unique in one run of the exchange."""
