"""One plugin of a marketplace: its versions, and who gets which."""

from agnes import wiring
from agnes.admin import marketplace_pages
from agnes.admin.marketplace_pages import AdminContext, PluginForm, PluginPage
from agnes.edge import Done, Function, Needs, form, page
from agnes.kernel.principal import Principal

app = Function("admin-page_plugin")


@app.route("/admin/marketplaces/{id}/plugins/{plugin}", methods=["GET"])
@page(needs=Needs.ADMIN, reads=marketplace_pages.CATALOGUE_FILES)
def page_plugin(_who: Principal, id: str, plugin: str) -> PluginPage:
    """Show its versions and what was decided about each."""
    return marketplace_pages.plugin_page(wiring.state(), id, plugin)


@app.route("/admin/marketplaces/{id}/plugins/{plugin}", methods=["POST"])
@form(needs=Needs.ADMIN, body=PluginForm, page=page_plugin)
def post_plugin(who: Principal, id: str, plugin: str, body: PluginForm) -> Done:
    """Roll it back or out, switch it, or stop a version."""
    context = AdminContext(wiring.state(), wiring.secrets(), wiring.clock(), wiring.settings().outbound_allow("git"))
    return Done(*marketplace_pages.change_plugin(context, who, (id, plugin), body))
