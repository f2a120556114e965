"""Read the registry of data tables, for admins."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.tables import overview, service
from agnes.tables.collection_repository import Run
from agnes.tables.model import FILE
from agnes.tables.overview import RegisteredTable

app = Function("tables-get_registry")


@app.route("/api/admin/tables/registry", methods=["GET"])
@endpoint(needs=Needs.ADMIN, reads=(FILE,))
def get_tables(_who: Principal) -> list[RegisteredTable]:
    """List the tables with their last and next runs, by folder and name."""
    with wiring.state().read(FILE) as db:
        return overview.registered(db, wiring.clock().now())


@app.route("/api/admin/tables/registry/{table_id}", methods=["GET"])
@endpoint(needs=Needs.ADMIN, reads=(FILE,))
def get_table(_who: Principal, table_id: str) -> RegisteredTable:
    """Show a table with its last and next run."""
    with wiring.state().read(FILE) as db:
        return overview.get_registered(db, table_id, wiring.clock().now())


@app.route("/api/admin/tables/registry/{table_id}/runs", methods=["GET"])
@endpoint(needs=Needs.ADMIN, reads=(FILE,))
def get_runs(_who: Principal, table_id: str) -> list[Run]:
    """List the last 50 runs of a table, newest first."""
    with wiring.state().read(FILE) as db:
        return overview.runs(db, table_id)


@app.route("/api/admin/tables/registry/{table_id}/columns", methods=["GET"])
@endpoint(needs=Needs.ADMIN, reads=(FILE,))
def get_columns(_who: Principal, table_id: str) -> dict[str, str]:
    """Show what is said of a table's columns."""
    with wiring.state().read(FILE) as db:
        return service.column_notes(db, table_id)
