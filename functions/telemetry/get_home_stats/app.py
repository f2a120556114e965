"""What one did lately."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.telemetry.drill_down import mine

app = Function("telemetry-get_home_stats")


class Window(BaseModel):
    model_config = ConfigDict(extra="forbid")

    window: Literal["24h", "7d"] = "24h"


@app.route("/api/me/home-stats", methods=["GET"])
@endpoint(needs=Needs.LOGIN, query=Window, reads=("telemetry",))
def get_home_stats(who: Principal, query: Window) -> mine.HomeStats:
    """Your sessions, prompts, tokens and folders of the last day or week."""
    return mine.home_stats(wiring.state(), wiring.store(), who, query.window, now=wiring.clock().now())
