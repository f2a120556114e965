"""The organisation at a glance."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from agnes import wiring
from agnes.audit import durations
from agnes.edge import Function, Needs, endpoint
from agnes.kernel import audit
from agnes.kernel.principal import Principal
from agnes.kernel.state import Change
from agnes.state import names
from agnes.telemetry.usage import figures

app = Function("telemetry-get_usage_summary")


class Window(BaseModel):
    model_config = ConfigDict(extra="forbid")

    window: Literal["7d", "30d", "90d", "all"] = "7d"


@app.route("/api/admin/usage/summary", methods=["GET"])
@app.route("/api/admin/telemetry/summary", methods=["GET"])
@endpoint(needs=Needs.ADMIN, query=Window, reads=names())
def get_usage_summary(who: Principal, query: Window) -> dict[str, Any]:
    """Sum up a window: tools, people, plugins, error rates, models, people a day."""
    store, clock = wiring.store(), wiring.clock()
    audit.record_once(store, Change("usage.summary", "usage:summary", query.model_dump()), now=clock.now())
    found = figures.summary(wiring.state(), store, who, query.window, clock=clock)
    return {**found, "slow_actions": durations.slow_actions(wiring.state(), since=found["since"])}
