"""One group: members and grants."""

from agnes import wiring
from agnes.admin import group_pages
from agnes.admin.group_pages import GroupForm, GroupPage
from agnes.admin.paging import PageQuery
from agnes.edge import Done, Function, Needs, form, page
from agnes.kernel.principal import Principal

app = Function("admin-page_group")


@app.route("/admin/groups/{group_id}", methods=["GET"])
@page(needs=Needs.ADMIN, query=PageQuery)
def page_group(_who: Principal, group_id: str, query: PageQuery) -> GroupPage:
    """Show who is in a group and what it was granted."""
    return group_pages.group_page(wiring.state(), group_id, offset=query.offset)


@app.route("/admin/groups/{group_id}", methods=["POST"])
@form(needs=Needs.ADMIN, body=GroupForm, page=page_group)
def post_group(who: Principal, group_id: str, body: GroupForm) -> Done:
    """Change a group, its members or its grants."""
    return Done(*group_pages.change(wiring.state(), who, group_id, body, now=wiring.clock().now()))
