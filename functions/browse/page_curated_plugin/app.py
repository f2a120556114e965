"""A curated plugin's page, with its add and remove buttons as plain forms."""

from pydantic import BaseModel

from agnes import wiring
from agnes.browse import queries, service
from agnes.browse.pages import PluginPage
from agnes.edge import Function, Needs, Redirect, Reply, page
from agnes.kernel.principal import Principal
from agnes.stack import service as stack

app = Function("browse-page_curated_plugin")
PATH = "/marketplace/curated/{slug}/{plugin}"


class StackForm(BaseModel):
    """What the add and remove buttons send."""

    enabled: bool


@app.route(PATH, methods=["GET"])
@page(needs=Needs.LOGIN)
def page_curated_plugin(who: Principal, slug: str, plugin: str) -> PluginPage:
    """Show a plugin."""
    today = wiring.clock().now().date()
    with wiring.state().read(*queries.FILES) as db:
        return PluginPage(service.plugin_detail(db, wiring.store(), who, slug, plugin, today=today), today)


@app.route(PATH, methods=["POST"])
@page(needs=Needs.LOGIN, body=StackForm)
def change_stack(who: Principal, slug: str, plugin: str, body: StackForm) -> Reply:
    """Add the plugin to the person's stack, or remove it, and show it again."""
    change = stack.install if body.enabled else stack.uninstall
    change(wiring.state(), who, slug, plugin, now=wiring.clock().now())
    return Redirect(f"{wiring.settings().base_path}/marketplace/curated/{slug}/{plugin}")
