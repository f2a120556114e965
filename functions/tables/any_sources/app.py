"""The sources that data tables come from, for admins."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.tables import sources
from agnes.tables.model import FILE, Source, SourceCreate, SourceUpdate

app = Function("tables-any_sources")


@app.route("/api/admin/tables/sources", methods=["GET"])
@endpoint(needs=Needs.ADMIN, reads=(FILE,))
def get_sources(_who: Principal) -> list[Source]:
    """List the sources, without their secrets."""
    with wiring.state().read(FILE) as db:
        return sources.sources(db)


@app.route("/api/admin/tables/sources", methods=["POST"])
@endpoint(needs=Needs.ADMIN, body=SourceCreate, status=201)
def post_source(who: Principal, body: SourceCreate) -> Source:
    """Add a source."""
    return sources.add(wiring.state(), who, body, secrets=wiring.secrets(), clock=wiring.clock())


@app.route("/api/admin/tables/sources/{source_id}", methods=["PATCH"])
@endpoint(needs=Needs.ADMIN, body=SourceUpdate)
def patch_source(who: Principal, source_id: str, body: SourceUpdate) -> Source:
    """Change a source; at another address it needs its secret again."""
    return sources.change(wiring.state(), who, source_id, body, secrets=wiring.secrets(), clock=wiring.clock())


@app.route("/api/admin/tables/sources/{source_id}", methods=["DELETE"])
@endpoint(needs=Needs.ADMIN)
def delete_source(who: Principal, source_id: str) -> None:
    """Remove a source that no table comes from, with its secret."""
    sources.remove(wiring.state(), who, source_id, secrets=wiring.secrets())
