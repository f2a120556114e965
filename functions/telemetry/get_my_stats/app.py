"""One's own figures."""

from pydantic import BaseModel, ConfigDict, Field

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.telemetry.drill_down import mine

app = Function("telemetry-get_my_stats")


class Days(BaseModel):
    model_config = ConfigDict(extra="forbid")

    days: int = Field(30, ge=1, le=365)


@app.route("/api/me/stats/sessions", methods=["GET"])
@endpoint(needs=Needs.LOGIN, query=Days, reads=("telemetry",))
def get_session_stats(who: Principal, query: Days) -> mine.SessionStats:
    """Your sessions by day, and altogether."""
    return mine.session_stats(wiring.state(), who, days=query.days, today=wiring.clock().now().date())


@app.route("/api/me/stats/tokens", methods=["GET"])
@endpoint(needs=Needs.LOGIN, query=Days, reads=("telemetry",))
def get_token_stats(who: Principal, query: Days) -> mine.TokenStats:
    """Your tokens by day and model, your ten largest sessions, and all that you ever took."""
    return mine.token_stats(wiring.state(), wiring.store(), who, days=query.days, today=wiring.clock().now().date())
