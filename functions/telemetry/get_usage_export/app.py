"""Export usage events."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from agnes import wiring
from agnes.edge import Function, Needs, Reply, endpoint, handed
from agnes.kernel.principal import Principal
from agnes.telemetry.lake import export

app = Function("telemetry-get_usage_export")


class Wanted(BaseModel):
    """`since` and `until`: 7d, 24h, 30m, a day or a time; `user_id`: an id or an e-mail address."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["csv", "json", "parquet"] = "csv"
    since: str | None = None
    until: str | None = None
    user_id: str | None = None
    source: Literal["curated", "flea", "builtin"] | None = None
    event_type: Literal["tool_use", "subagent", "mcp_call", "slash_command", "prompt", "message"] | None = None


@app.route("/api/admin/usage/export", methods=["GET"])
@app.route("/api/admin/telemetry/export", methods=["GET"])
@endpoint(needs=Needs.ADMIN, query=Wanted, reads=("telemetry",))
def get_usage_export(_who: Principal, query: Wanted) -> Reply:
    """Download usage events; a large file comes by redirection to a presigned URL."""
    now = wiring.clock().now()
    since, until = export.moment("since", query.since, now=now), export.moment("until", query.until, now=now)
    filters = export.Filters(since, until, query.user_id, query.source, query.event_type)
    done = export.export(wiring.state(), wiring.store(), filters, kind=query.format, clock=wiring.clock())
    return handed(done)
