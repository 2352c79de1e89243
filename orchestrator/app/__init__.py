"""Builds every device and every flow once, in one nursery, and is the facade that `api/` and the command line see.

```
open_exchange(settings) ──► Exchange
                              ├─ companies    configuration now, and changes to it
                              ├─ projections  live calls, figures of the day, commands: folds of the journal
                              ├─ presence     registrations and trunks
                              └─ world        the switch, the journal and the calls that go on
```
"""

from orchestrator.app.exchange import Exchange, Health, Part
from orchestrator.app.opening import open_exchange
from orchestrator.devices.journal.subscription import Subscription
from orchestrator.devices.store.history import LOOKED_AT_MAX, Found

__all__ = ["LOOKED_AT_MAX", "Exchange", "Found", "Health", "Part", "Subscription", "open_exchange"]
