"""Companies and their objects as rows. What they mean is `configuration`'s affair."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from orchestrator.configuration.document import Key, Plan
from orchestrator.devices.store.tables import COMPANIES, OBJECTS
from orchestrator.devices.store.times import to_us
from orchestrator.model.identifiers import CompanyId


def load_objects(connection: sa.Connection) -> dict[CompanyId, dict[Key, tuple[int, Any]]]:
    """Every object of every company: version and body, secrets included."""
    companies: dict[CompanyId, dict[Key, tuple[int, Any]]] = defaultdict(dict)
    columns = OBJECTS.c.company, OBJECTS.c.kind, OBJECTS.c.id, OBJECTS.c.version, OBJECTS.c.body
    query = sa.select(*columns).order_by(OBJECTS.c.company, OBJECTS.c.kind, OBJECTS.c.id)
    for company, kind, id, version, body in connection.execute(query):
        companies[CompanyId(company)][kind, id] = version, msgspec.json.decode(body)
    return dict(companies)


def save_plan(connection: sa.Connection, plan: Plan, versions: Mapping[Key, int], now: datetime) -> None:
    """Write what a plan changes. `versions` are those that the written objects get."""
    if ("company", plan.company) in plan.put:
        row = {"company": plan.company, "created_at_us": to_us(now)}
        connection.execute(COMPANIES.insert().prefix_with("OR IGNORE"), row)
    removed = [{"c": plan.company, "k": kind, "i": id} for kind, id in plan.delete]
    if removed:
        connection.execute(
            OBJECTS.delete().where(
                OBJECTS.c.company == sa.bindparam("c"),
                OBJECTS.c.kind == sa.bindparam("k"),
                OBJECTS.c.id == sa.bindparam("i"),
            ),
            removed,
        )
    rows = [
        {
            "company": plan.company,
            "kind": key[0],
            "id": key[1],
            "version": versions[key],
            "body": msgspec.json.encode(body),
        }
        for key, body in plan.put.items()
    ]
    if rows:
        connection.execute(OBJECTS.insert().prefix_with("OR REPLACE"), rows)
