"""Add a curated plugin to one's stack; take it off."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.stack import service
from agnes.stack.model import Installed

app = Function("stack-any_install")


@app.route("/api/marketplace/curated/{slug}/{plugin}/install", methods=["POST"])
@endpoint(needs=Needs.LOGIN, reads=service.FILES)
def post_install(who: Principal, slug: str, plugin: str) -> Installed:
    """Add a plugin that one of the caller's groups was granted."""
    return service.install(wiring.state(), who, slug, plugin, now=wiring.clock().now())


@app.route("/api/marketplace/curated/{slug}/{plugin}/install", methods=["DELETE"])
@endpoint(needs=Needs.LOGIN, reads=service.FILES)
def delete_install(who: Principal, slug: str, plugin: str) -> Installed:
    """Take a plugin off; a system plugin stays."""
    return service.uninstall(wiring.state(), who, slug, plugin, now=wiring.clock().now())
