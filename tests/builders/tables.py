"""An installation with tables: an admin, sources, and principals of groups."""

from __future__ import annotations

from agnes.kernel.principal import Principal
from agnes.tables import service, sources
from agnes.tables.model import SourceCreate, Table, TableCreate
from tests.builders.house import House

ADA = Principal("u-ada", "ada@example.com", "Ada", frozenset({"g-everyone"}), is_admin=True)
BOB = Principal("u-bob", "bob@example.com", "Bob", frozenset({"g-everyone"}))

WAREHOUSE = {"host": "db.example.com", "database": "shop", "user": "agnes"}


def add_source(
    house: House, id_: str = "warehouse", type_: str = "postgresql", secret: str | None = "hunter2", **options: str
):
    given = SourceCreate.model_validate({"id": id_, "type": type_, "options": options or WAREHOUSE, "secret": secret})
    return sources.add(house.state, ADA, given, secrets=house.wiring.secrets, clock=house.clock)


def register(house: House, name: str = "Orders", **fields: object) -> Table:
    given = TableCreate.model_validate({"name": name, "source_table": "orders", **fields})
    return service.register(house.state, ADA, given, clock=house.clock)
