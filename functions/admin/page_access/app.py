"""What groups were granted, and granting and revoking many plugins at once."""

from agnes import wiring
from agnes.admin import access_page
from agnes.admin.access_page import AccessForm, AccessPage, AccessQuery
from agnes.edge import Done, Function, Needs, form, page
from agnes.kernel.principal import Principal

app = Function("admin-page_access")


@app.route("/admin/access", methods=["GET"])
@page(needs=Needs.ADMIN, query=AccessQuery, reads=access_page.FILES)
def page_access(_who: Principal, query: AccessQuery) -> AccessPage:
    """Show what one group was granted of one marketplace."""
    return access_page.access_page(wiring.state(), query)


@app.route("/admin/access", methods=["POST"])
@form(needs=Needs.ADMIN, body=AccessForm, page=page_access)
def post_access(who: Principal, body: AccessForm) -> Done:
    """Grant or revoke plugins or a whole marketplace."""
    return Done(*access_page.change(wiring.state(), who, body, now=wiring.clock().now()))
