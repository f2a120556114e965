"""See as this person: a user's catalogue and feed, as they see them."""

from agnes import wiring
from agnes.admin import as_page
from agnes.admin.as_page import AsPage, AsQuery
from agnes.edge import Function, Needs, page
from agnes.kernel.principal import Principal

app = Function("admin-page_user_as")


@app.route("/admin/users/{user_id}/as", methods=["GET"])
@page(needs=Needs.ADMIN, query=AsQuery, reads=as_page.FILES)
def page_user_as(_who: Principal, user_id: str, query: AsQuery) -> AsPage:
    """Show what a user may see and is served, with the reasons. Nothing can be changed here, and each look is audited."""
    clock = wiring.clock()
    return as_page.as_page(wiring.state(), wiring.store(), user_id, query, clock=clock, now=clock.now())
