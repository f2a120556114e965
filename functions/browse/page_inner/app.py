"""The page of a skill or an agent inside a curated plugin."""

from agnes import wiring
from agnes.browse import service
from agnes.browse.detail_pages import InnerPage
from agnes.edge import Function, Needs, page
from agnes.kernel.principal import Principal

app = Function("browse-page_inner")


@app.route("/marketplace/curated/{slug}/{plugin}/skill/{name}", methods=["GET"])
@page(needs=Needs.LOGIN, reads=service.FILES, ahead=service.ahead)
def page_skill(who: Principal, slug: str, plugin: str, name: str) -> InnerPage:
    """Show a skill of a plugin."""
    return _shown(who, slug, plugin, "skill", name)


@app.route("/marketplace/curated/{slug}/{plugin}/agent/{name}", methods=["GET"])
@page(needs=Needs.LOGIN, reads=service.FILES, ahead=service.ahead)
def page_agent(who: Principal, slug: str, plugin: str, name: str) -> InnerPage:
    """Show an agent of a plugin."""
    return _shown(who, slug, plugin, "agent", name)


def _shown(who: Principal, slug: str, plugin: str, kind: str, name: str) -> InnerPage:
    today = wiring.clock().now().date()
    return InnerPage(
        service.inner_detail(
            wiring.state(), wiring.store(), who, marketplace_id=slug, plugin=plugin, kind=kind, name=name, today=today
        ),
        today,
    )
