"""The list of users, and the form that adds one."""

from agnes import wiring
from agnes.admin import user_pages
from agnes.admin.user_pages import NewUserForm, UsersPage, UsersQuery
from agnes.edge import Done, Function, Needs, form, mail, page
from agnes.kernel.principal import Principal

app = Function("admin-page_users")


@app.route("/admin/users", methods=["GET"])
@page(needs=Needs.ADMIN, query=UsersQuery, reads=("telemetry",))
def page_users(_who: Principal, query: UsersQuery) -> UsersPage:
    """List accounts, their groups, and when they were last active."""
    return user_pages.users_page(wiring.state(), wiring.store(), query, now=wiring.clock().now())


@app.route("/admin/users", methods=["POST"])
@form(needs=Needs.ADMIN, body=NewUserForm, page=page_users)
def post_users(who: Principal, body: NewUserForm) -> Done:
    """Add an account, invite its owner if this installation sends mail, and open its page."""
    state, now = wiring.state(), wiring.clock().now()
    user = user_pages.create(state, who, body, now=now)
    there = f"{user_pages.PATH}/{user.id}"
    if wiring.mailer().is_on:
        link = user_pages.make_link(state, who, user.id, now=now)
        if mail.send_link(link, by=who.name or who.email).is_sent:
            return Done(there, f"{user.email} is added and invited by mail.")
    return Done(there, f"{user.email} is added. Make a link below by which they choose a password.")
