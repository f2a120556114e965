"""Plugins of one's own stack that are never used."""

from agnes import wiring
from agnes.edge import Function, Needs, page
from agnes.kernel.principal import Principal
from agnes.telemetry.usage.standing_pages import FILES, MyUnusedPage, my_unused_page

app = Function("telemetry-page_my_unused")


@app.route("/me/unused", methods=["GET"])
@page(needs=Needs.LOGIN, reads=FILES)
def page_my_unused(who: Principal) -> MyUnusedPage:
    """Show what is in your stack without being used, and what it costs a month."""
    return my_unused_page(wiring.state(), wiring.store(), who, now=wiring.clock().now())
