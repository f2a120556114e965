"""Data tables as far as they were granted: catalog, manifest and objects."""

from agnes import wiring
from agnes.edge import Function, Needs, Redirect, Reply, Request, endpoint
from agnes.kernel.principal import Principal
from agnes.tables import policies, serving, welcome
from agnes.tables.model import FILE
from agnes.tables.policies import ShownPolicy
from agnes.tables.serving import FILES, CatalogTable, Manifest

app = Function("tables-any_tables")


@app.route("/api/tables/manifest", methods=["GET"])
@endpoint(needs=Needs.LOGIN, reads=(FILE,), answers=Manifest)
def get_manifest(who: Principal, request: Request) -> Reply:
    """List your tables with the objects that each consists of; 304 when your copy of the list is as good."""
    with wiring.state().read(*FILES) as db:
        found = serving.manifest(db, who)
    is_same = request.headers.get("if-none-match") == found.etag
    return Reply(None if is_same else found, 304 if is_same else 200, found.headers)


@app.route("/api/tables/catalog", methods=["GET"])
@endpoint(needs=Needs.LOGIN, reads=(FILE,))
def get_catalog(who: Principal) -> list[CatalogTable]:
    """List your tables with their columns, by folder and name."""
    with wiring.state().read(*FILES) as db:
        return serving.catalog(db, who)


@app.route("/api/tables/catalog/{table_id}", methods=["GET"])
@endpoint(needs=Needs.LOGIN, reads=(FILE,))
def get_catalogued(who: Principal, table_id: str) -> CatalogTable:
    """Show one of your tables with its columns."""
    with wiring.state().read(*FILES) as db:
        return serving.get_catalogued(db, who, table_id)


@app.route("/api/tables/welcome", methods=["GET"])
@endpoint(needs=Needs.LOGIN, reads=(FILE,))
def get_welcome(who: Principal) -> welcome.Welcome:
    """Give the CLAUDE.md of a workspace: how to use this installation, and the tables that were granted to you."""
    settings = wiring.settings()
    return welcome.of(wiring.state(), who, name=settings.agnes_instance_name, server=settings.base_url)


@app.route("/api/tables/{table_id}/objects/{sha256}", methods=["GET"])
@endpoint(needs=Needs.LOGIN, reads=(FILE,))
def get_object(who: Principal, table_id: str, sha256: str) -> Reply:
    """Redirect to an object of one of your tables."""
    url = serving.object_url(wiring.state(), wiring.store(), who, table_id, sha256, clock=wiring.clock())
    return Redirect(url, status=302)


@app.route("/api/tables/{table_id}/policies", methods=["GET"])
@endpoint(needs=Needs.ADMIN, reads=(FILE,))
def get_policies(_who: Principal, table_id: str) -> list[ShownPolicy]:
    """List the policies of a table, and whether what their groups read is ready."""
    return policies.listed(wiring.state(), table_id)
