"""Sessions of everybody, by their summaries."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.telemetry.drill_down import sessions, storage

app = Function("telemetry-get_admin_sessions")


@app.route("/api/admin/sessions/list", methods=["GET"])
@endpoint(needs=Needs.ADMIN, query=sessions.SessionsQuery, reads=("telemetry",))
def get_sessions(_who: Principal, query: sessions.SessionsQuery) -> sessions.SessionList:
    """Sessions that pass the filters, sorted, a page of them."""
    return sessions.listed(wiring.state(), query, now=wiring.clock().now())


@app.route("/api/admin/sessions/kpis", methods=["GET"])
@endpoint(needs=Needs.ADMIN, query=sessions.SessionsFilter, reads=("telemetry",))
def get_kpis(_who: Principal, query: sessions.SessionsFilter) -> sessions.Kpis:
    """Figures over the sessions that pass the filters."""
    return sessions.kpis(wiring.state(), query, now=wiring.clock().now())


@app.route("/api/admin/sessions/facets", methods=["GET"])
@endpoint(needs=Needs.ADMIN, query=sessions.SessionsFilter, reads=("telemetry",))
def get_facets(_who: Principal, query: sessions.SessionsFilter) -> sessions.Facets:
    """What the filters may be set to."""
    return sessions.facets(wiring.state(), query, now=wiring.clock().now())


@app.route("/api/admin/sessions/storage", methods=["GET"])
@endpoint(needs=Needs.ADMIN, query=storage.StorageQuery, reads=("telemetry",))
def get_storage(_who: Principal, query: storage.StorageQuery) -> storage.StorageList:
    """What is stored of each person's transcripts, and how much may be; those with the most sessions first."""
    return storage.listed(wiring.state(), wiring.store(), query, wiring.quotas(), clock=wiring.clock())
