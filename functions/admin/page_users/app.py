"""The list of users, and the form that adds one."""

from agnes import wiring
from agnes.admin import user_pages
from agnes.admin.user_pages import NewUserForm, UsersPage, UsersQuery
from agnes.edge import Done, Function, Needs, form, page
from agnes.kernel.principal import Principal

app = Function("admin-page_users")


@app.route("/admin/users", methods=["GET"])
@page(needs=Needs.ADMIN, query=UsersQuery)
def page_users(_who: Principal, query: UsersQuery) -> UsersPage:
    """List accounts, their groups, and when they were last active."""
    return user_pages.users_page(wiring.state(), query, now=wiring.clock().now())


@app.route("/admin/users", methods=["POST"])
@form(needs=Needs.ADMIN, body=NewUserForm, page=page_users)
def post_users(who: Principal, body: NewUserForm) -> Done:
    """Add an account and open its page."""
    user = user_pages.create(wiring.state(), who, body, now=wiring.clock().now())
    return Done(
        f"{user_pages.PATH}/{user.id}", f"{user.email} is added. Set a password below so that they can sign in."
    )
