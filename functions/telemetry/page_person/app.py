"""The page of one person."""

from pydantic import BaseModel, ConfigDict, Field

from agnes import wiring
from agnes.edge import Function, Needs, page
from agnes.kernel.principal import Principal
from agnes.telemetry.drill_down.people_pages import PersonPage, person_page

app = Function("telemetry-page_person")


class Place(BaseModel):
    model_config = ConfigDict(extra="forbid")

    offset: int = Field(0, ge=0, le=1_000_000)


@app.route("/admin/users/{user_id}", methods=["GET"])
@page(needs=Needs.ADMIN, query=Place)
def page_person(_who: Principal, user_id: str, query: Place) -> PersonPage:
    """Facts, groups and sessions of a person."""
    return person_page(
        wiring.state(),
        wiring.store(),
        user_id,
        offset=query.offset,
        limits=wiring.quotas(),
        now=wiring.clock().now(),
    )
