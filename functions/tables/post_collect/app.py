"""Collect data tables now."""

from pydantic import BaseModel, ConfigDict, Field

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.tables import collecting

app = Function("tables-post_collect")


class CollectRequest(BaseModel):
    """Ids of tables; null or left out: all of them."""

    model_config = ConfigDict(extra="forbid")

    tables: list[str] | None = Field(None, max_length=5000)


class CollectionsAsked(BaseModel):
    """Ids of the tables that will be collected, whatever their schedules."""

    tables: list[str]


@app.route("/api/admin/tables/collect", methods=["POST"])
@endpoint(needs=Needs.ADMIN, body=CollectRequest, status=202, reads=("tables",))
def post_collect(who: Principal, body: CollectRequest) -> CollectionsAsked:
    """Collect tables in the background, whatever their schedules."""
    return CollectionsAsked(tables=collecting.ask_for(wiring.collecting(), who, body.tables))
