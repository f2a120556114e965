"""The switch of one curated plugin."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.stack import service
from agnes.stack.model import Toggle, Toggled

app = Function("stack-put_curated")


@app.route("/api/my-stack/curated/{slug}/{plugin}", methods=["PUT"])
@endpoint(needs=Needs.LOGIN, body=Toggle, reads=service.FILES)
def put_curated(who: Principal, slug: str, plugin: str, body: Toggle) -> Toggled:
    """Switch a granted plugin on or off."""
    return service.toggle(wiring.state(), who, slug, plugin, enabled=body.enabled, now=wiring.clock().now())
