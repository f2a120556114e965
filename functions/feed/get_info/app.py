"""What a person is served, and what not and why."""

from typing import Any

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.feed import service
from agnes.kernel.principal import Principal
from agnes.kernel.scopes import Scope

app = Function("feed-get_info")


@app.route("/marketplace/info", methods=["GET"])
@endpoint(needs=Needs.LOGIN, scope=Scope.FEED, reads=service.STATE_FILES, ahead=service.ahead)
def get_info(who: Principal) -> dict[str, Any]:
    """Describe your marketplace."""
    return service.info(wiring.state(), wiring.store(), who, clock=wiring.clock(), generated_at=wiring.clock().now())
