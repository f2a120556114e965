"""One user: account, groups, what they are served, tokens, sessions."""

from agnes import wiring
from agnes.admin import user_pages
from agnes.admin.user_pages import UserForm, UserPage, UserPageQuery
from agnes.edge import Done, Function, Needs, form, page
from agnes.kernel.principal import Principal

app = Function("admin-page_user")


@app.route("/admin/users/{user_id}", methods=["GET"])
@page(needs=Needs.ADMIN, query=UserPageQuery)
def page_user(who: Principal, user_id: str, query: UserPageQuery) -> UserPage:
    """Show everything that an admin decides about a user."""
    state, store = wiring.state(), wiring.store()
    limits, now = wiring.quotas(), wiring.clock().now()
    return user_pages.user_page(state, store, who, user_id, offset=query.offset, limits=limits, now=now)


@app.route("/admin/users/{user_id}", methods=["POST"])
@form(needs=Needs.ADMIN, body=UserForm, page=page_user)
def post_user(who: Principal, user_id: str, body: UserForm) -> Done:
    """Change the account, its groups or its tokens."""
    return Done(*user_pages.change(wiring.state(), wiring.store(), who, user_id, body, now=wiring.clock().now()))
