"""What the audit can be filtered by, and its figures."""

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field

from agnes import wiring
from agnes.audit import service
from agnes.audit.model import MAX_MINUTES, Facets, Kpis
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.state import names

app = Function("audit-get_activity_facets")


class SpanQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    since_minutes: int = Field(1440, ge=1, le=MAX_MINUTES)


@app.route("/api/admin/activity/facets", methods=["GET"])
@app.route("/api/admin/observability/facets", methods=["GET"])
@endpoint(needs=Needs.ADMIN, query=SpanQuery, reads=names())
def get_facets(_who: Principal, query: SpanQuery) -> Facets:
    """List the most frequent users, actions, results, resources and kinds of clients."""
    return _overview(query)[0]


@app.route("/api/admin/activity/kpis", methods=["GET"])
@app.route("/api/admin/observability/kpis", methods=["GET"])
@endpoint(needs=Needs.ADMIN, query=SpanQuery, reads=names())
def get_kpis(_who: Principal, query: SpanQuery) -> Kpis:
    """Count events, people and errors, and tell how long changes took."""
    return _overview(query)[1]


def _overview(query: SpanQuery) -> tuple[Facets, Kpis]:
    now = wiring.clock().now()
    since = now - timedelta(minutes=query.since_minutes)
    return service.overview(wiring.state(), wiring.store(), since=since, now=now)
