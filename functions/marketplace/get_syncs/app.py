"""The sync history of a marketplace."""

from pydantic import BaseModel, ConfigDict, Field

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.marketplace import service
from agnes.marketplace.limits import MAX_LISTED_SYNCS
from agnes.marketplace.model import SyncLine

app = Function("marketplace-get_syncs")


class SyncsQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    before: str | None = None
    """Id of a sync: those before it, for the next page."""
    limit: int = Field(50, ge=1, le=MAX_LISTED_SYNCS)


@app.route("/api/marketplaces/{id}/syncs", methods=["GET"])
@endpoint(needs=Needs.ADMIN, query=SyncsQuery, reads=("marketplace",))
def get_syncs(_who: Principal, id: str, query: SyncsQuery) -> list[SyncLine]:
    """List what each sync changed, newest first."""
    with wiring.state().read("marketplace") as db:
        return service.syncs(db, id, before=query.before, limit=query.limit)
