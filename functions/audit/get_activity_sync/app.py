"""The sync history of all marketplaces."""

from pydantic import BaseModel, ConfigDict, Field

from agnes import wiring
from agnes.audit import service
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.marketplace.model import RecentSync

app = Function("audit-get_activity_sync")


class SyncsQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    before: str | None = Field(None, max_length=40)
    """Id of a sync: those before it, for the next page."""
    limit: int = Field(50, ge=1, le=200)


@app.route("/api/admin/activity/sync", methods=["GET"])
@endpoint(needs=Needs.ADMIN, query=SyncsQuery, reads=("marketplace",))
def get_activity_sync(_who: Principal, query: SyncsQuery) -> list[RecentSync]:
    """List the syncs of all marketplaces, newest first."""
    return service.syncs(wiring.state(), before=query.before, limit=query.limit)
