"""What was spent, and on what."""

from datetime import date

from pydantic import BaseModel, ConfigDict

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.telemetry.usage import figures
from agnes.telemetry.usage.model import CostBy, Costs, between

app = Function("telemetry-get_usage_cost")


class Wanted(BaseModel):
    """Days in UTC, both included; the last 30 where nothing is said."""

    model_config = ConfigDict(extra="forbid")

    by: CostBy = "plugin"
    since: date | None = None
    until: date | None = None


@app.route("/api/admin/usage/cost", methods=["GET"])
@app.route("/api/admin/telemetry/cost", methods=["GET"])
@endpoint(needs=Needs.ADMIN, query=Wanted, reads=("telemetry",))
def get_usage_cost(who: Principal, query: Wanted) -> Costs:
    """List tokens and their cost by plugin, skill, agent, command, model, user or day."""
    span = between(query.since, query.until, today=wiring.clock().now().date())
    return figures.costs(wiring.state(), wiring.store(), who, by=query.by, span=span)
