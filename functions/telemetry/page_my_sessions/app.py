"""The page of one's own sessions."""

from pydantic import BaseModel, ConfigDict, Field

from agnes import wiring
from agnes.edge import Function, Needs, page
from agnes.kernel.principal import Principal
from agnes.telemetry.drill_down.session_pages import MySessionsPage, my_sessions_page

app = Function("telemetry-page_my_sessions")


class Place(BaseModel):
    model_config = ConfigDict(extra="forbid")

    offset: int = Field(0, ge=0, le=1_000_000)


@app.route("/me/sessions", methods=["GET"])
@page(needs=Needs.LOGIN, query=Place, reads=("telemetry",))
def page_my_sessions(who: Principal, query: Place) -> MySessionsPage:
    """Your sessions, to look at, take away or remove."""
    return my_sessions_page(
        wiring.state(),
        wiring.store(),
        who,
        offset=query.offset,
        limits=wiring.quotas(),
        now=wiring.clock().now(),
    )
