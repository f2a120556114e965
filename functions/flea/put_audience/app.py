"""Say whom something is for."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.flea import submitting
from agnes.kernel.principal import Principal
from agnes.stack import entity_listing
from agnes.stack.entity_listing import EntityLine

app = Function("flea-put_audience")


class AudienceUpdate(BaseModel):
    """`groups` are ids, needed for the audience of that name."""

    model_config = ConfigDict(extra="forbid")

    audience: Literal["everyone", "groups", "private"]
    groups: list[str] = []


@app.route("/api/store/entities/{entity_id}/audience", methods=["PUT"])
@endpoint(needs=Needs.LOGIN, body=AudienceUpdate)
def put_audience(who: Principal, entity_id: str, body: AudienceUpdate) -> EntityLine:
    """Share it with everyone, with some groups, or with nobody else; what was checked stays as it is."""
    given = submitting.share_with(wiring.market(), who, entity_id, body.audience, body.groups)
    return entity_listing.line_of(wiring.state(), given)
