"""Register, change and remove data tables."""

from pydantic import BaseModel, ConfigDict

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.tables import service
from agnes.tables.model import FILE, Precheck, Table, TableCreate, TableUpdate

app = Function("tables-any_registry")


class ColumnNotes(BaseModel):
    """Column → description; a column that is left out has none."""

    model_config = ConfigDict(extra="forbid")

    columns: dict[str, str]


@app.route("/api/admin/tables/registry", methods=["POST"])
@endpoint(needs=Needs.ADMIN, body=TableCreate, status=201)
def post_table(who: Principal, body: TableCreate) -> Table:
    """Register a table; nobody is granted it, and the next tick collects it."""
    return service.register(wiring.state(), who, body, clock=wiring.clock())


@app.route("/api/admin/tables/registry/precheck", methods=["POST"])
@endpoint(needs=Needs.ADMIN, body=TableCreate, reads=(FILE,))
def post_precheck(who: Principal, body: TableCreate) -> Precheck:
    """Say what registering a table would, without writing."""
    with wiring.state().read(FILE) as db:
        return service.precheck(db, who, body, clock=wiring.clock())


@app.route("/api/admin/tables/registry/{table_id}", methods=["PUT"])
@endpoint(needs=Needs.ADMIN, body=TableUpdate)
def put_table(who: Principal, table_id: str, body: TableUpdate) -> Table:
    """Change a table: what is left out stays, null is the default."""
    return service.update(wiring.state(), who, table_id, body, clock=wiring.clock())


@app.route("/api/admin/tables/registry/{table_id}", methods=["DELETE"])
@endpoint(needs=Needs.ADMIN)
def delete_table(who: Principal, table_id: str) -> None:
    """Remove a table with its grants; its objects are deleted a day later."""
    service.remove(wiring.state(), who, table_id, clock=wiring.clock())


@app.route("/api/admin/tables/registry/{table_id}/columns", methods=["PUT"])
@endpoint(needs=Needs.ADMIN, body=ColumnNotes)
def put_columns(who: Principal, table_id: str, body: ColumnNotes) -> dict[str, str]:
    """Replace what is said of a table's columns."""
    return service.set_column_notes(wiring.state(), who, table_id, body.columns)
