"""The pages of a flea entity, and where the add and remove buttons of all pages lead."""

from agnes import wiring
from agnes.browse import service
from agnes.browse.detail_pages import InnerPage, PluginPage, StackForm, entity_page
from agnes.edge import Function, Needs, Redirect, Reply, page
from agnes.kernel.principal import Principal
from agnes.stack import service as stack

app = Function("browse-page_flea")
PATH = "/marketplace/flea/{entity_id}"


@app.route(PATH, methods=["GET"])
@page(needs=Needs.LOGIN, reads=service.FILES, ahead=service.ahead)
def page_entity(who: Principal, entity_id: str) -> PluginPage:
    """Show what somebody shared."""
    today = wiring.clock().now().date()
    return entity_page(service.entity_detail(wiring.state(), wiring.store(), who, entity_id, today=today), today)


@app.route(PATH, methods=["POST"])
@page(needs=Needs.LOGIN, body=StackForm, reads=("flea",))
def change_stack(who: Principal, entity_id: str, body: StackForm) -> Reply:
    """Add it to the person's stack, or remove it, and go back to where the button was."""
    change = stack.install_entity if body.enabled else stack.uninstall_entity
    change(wiring.state(), who, entity_id, now=wiring.clock().now())
    return Redirect(f"{wiring.settings().base_path}{body.back or f'/marketplace/flea/{entity_id}'}")


@app.route("/marketplace/flea/{entity_id}/skill/{name}", methods=["GET"])
@page(needs=Needs.LOGIN, reads=service.FILES, ahead=service.ahead)
def page_skill(who: Principal, entity_id: str, name: str) -> InnerPage:
    """Show a skill of a flea plugin."""
    return _shown(who, entity_id, "skill", name)


@app.route("/marketplace/flea/{entity_id}/agent/{name}", methods=["GET"])
@page(needs=Needs.LOGIN, reads=service.FILES, ahead=service.ahead)
def page_agent(who: Principal, entity_id: str, name: str) -> InnerPage:
    """Show an agent of a flea plugin."""
    return _shown(who, entity_id, "agent", name)


def _shown(who: Principal, entity_id: str, kind: str, name: str) -> InnerPage:
    today = wiring.clock().now().date()
    found = service.entity_inner_detail(
        wiring.state(), wiring.store(), who, entity_id=entity_id, kind=kind, name=name, today=today
    )
    return InnerPage(found, today)
