"""Report something that is wrong with what somebody shares."""

from pydantic import BaseModel, ConfigDict, Field

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.flea import deciding
from agnes.kernel.principal import Principal

app = Function("flea-post_report")


class EntityReport(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: str = Field(max_length=2000)


class Reported(BaseModel):
    reports: int
    """How many people have."""


@app.route("/api/store/entities/{entity_id}/report", methods=["POST"])
@endpoint(needs=Needs.LOGIN, body=EntityReport)
def post_report(who: Principal, entity_id: str, body: EntityReport) -> Reported:
    """Tell the admins what is wrong with it; enough reports take it out of the market until one has looked."""
    return Reported(reports=deciding.complain(wiring.market(), who, entity_id, body.reason))
