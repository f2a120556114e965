"""Plugins in everybody's stacks that are never used."""

from agnes import wiring
from agnes.edge import Function, Needs, page
from agnes.kernel.principal import Principal
from agnes.telemetry.usage.standing_pages import FILES, UnusedPage, unused_page

app = Function("telemetry-page_unused")


@app.route("/admin/unused", methods=["GET"])
@page(needs=Needs.ADMIN, reads=FILES)
def page_unused(who: Principal) -> UnusedPage:
    """Show what people have without using it, what it costs a month, and whom to ask."""
    return unused_page(wiring.state(), wiring.store(), who, now=wiring.clock().now())
