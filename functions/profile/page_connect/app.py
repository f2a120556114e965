"""How to connect Claude Code."""

from agnes import wiring
from agnes.edge import Function, Needs, page
from agnes.kernel.principal import Principal
from agnes.profile.connect_page import FILES, ConnectPage, connect_page

app = Function("profile-page_connect")


@app.route("/me/connect", methods=["GET"])
@page(needs=Needs.LOGIN, reads=FILES)
def page_connect(who: Principal) -> ConnectPage:
    """Show the commands, and which steps are done."""
    server = wiring.settings().base_url
    return connect_page(wiring.state(), wiring.store(), who, server=server, now=wiring.clock().now())
