"""A curated plugin's page, and where the add and remove buttons of all pages lead."""

from agnes import wiring
from agnes.browse import service
from agnes.browse.detail_pages import PluginPage, StackForm
from agnes.edge import Function, Needs, Redirect, Reply, page
from agnes.kernel.principal import Principal
from agnes.stack import service as stack

app = Function("browse-page_curated_plugin")
PATH = "/marketplace/curated/{slug}/{plugin}"


@app.route(PATH, methods=["GET"])
@page(needs=Needs.LOGIN, reads=service.FILES, ahead=service.ahead)
def page_curated_plugin(who: Principal, slug: str, plugin: str) -> PluginPage:
    """Show a plugin."""
    today = wiring.clock().now().date()
    return PluginPage(service.plugin_detail(wiring.state(), wiring.store(), who, slug, plugin, today=today), today)


@app.route(PATH, methods=["POST"])
@page(needs=Needs.LOGIN, body=StackForm, reads=stack.FILES)
def change_stack(who: Principal, slug: str, plugin: str, body: StackForm) -> Reply:
    """Add the plugin to the person's stack, or remove it, and go back to where the button was."""
    change = stack.install if body.enabled else stack.uninstall
    change(wiring.state(), who, slug, plugin, now=wiring.clock().now())
    return Redirect(f"{wiring.settings().base_path}{body.back or f'/marketplace/curated/{slug}/{plugin}'}")
