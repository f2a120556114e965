"""The list of groups, and the form that adds one."""

from agnes import wiring
from agnes.admin import group_pages
from agnes.admin.group_pages import GroupsPage, NewGroupForm
from agnes.admin.paging import SearchQuery
from agnes.edge import Done, Function, Needs, form, page
from agnes.kernel.principal import Principal

app = Function("admin-page_groups")


@app.route("/admin/groups", methods=["GET"])
@page(needs=Needs.ADMIN, query=SearchQuery)
def page_groups(_who: Principal, query: SearchQuery) -> GroupsPage:
    """List groups with how many people are in each and what they were granted."""
    return group_pages.groups_page(wiring.state(), query)


@app.route("/admin/groups", methods=["POST"])
@form(needs=Needs.ADMIN, body=NewGroupForm, page=page_groups)
def post_groups(who: Principal, body: NewGroupForm) -> Done:
    """Add a group and open its page."""
    group = group_pages.create(wiring.state(), who, body, now=wiring.clock().now())
    return Done(f"{group_pages.PATH}/{group.id}", f"{group.name} is added. Add people and grant plugins next.")
