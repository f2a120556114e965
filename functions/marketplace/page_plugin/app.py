"""The admin's page of one plugin: its versions, and who gets which."""

from agnes import wiring
from agnes.edge import Function, Needs, Redirect, Reply, page
from agnes.kernel.errors import AgnesError
from agnes.kernel.principal import Principal
from agnes.marketplace import administration
from agnes.marketplace.administration import Desk, PluginForm, PluginPage, Problem, Said

app = Function("marketplace-page_plugin")


@app.route("/admin/marketplaces/{id}/plugins/{plugin}", methods=["GET"])
@page(needs=Needs.ADMIN, query=Said)
def page_plugin(_who: Principal, id: str, plugin: str, query: Said) -> PluginPage:
    """Show its versions and what was decided about each."""
    return administration.plugin_page(wiring.state(), id, plugin, query.said)


@app.route("/admin/marketplaces/{id}/plugins/{plugin}", methods=["POST"])
@page(needs=Needs.ADMIN, body=PluginForm)
def post_plugin(who: Principal, id: str, plugin: str, body: PluginForm) -> Reply | PluginPage:
    """Roll it back or out, switch it, or stop a version."""
    settings = wiring.settings()
    desk = Desk(wiring.state(), wiring.secrets(), wiring.clock(), settings.agnes_git_allow)
    try:
        return Redirect(settings.base_path + administration.change_plugin(desk, who, (id, plugin), body))
    except AgnesError as refused:
        return administration.plugin_page(wiring.state(), id, plugin, problem=Problem.of(refused))
