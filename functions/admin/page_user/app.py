"""One user: account, groups, what they are served, tokens, sessions."""

from dataclasses import replace

from agnes import wiring
from agnes.admin import user_pages
from agnes.admin.paging import PageQuery
from agnes.admin.user_pages import UserForm, UserPage
from agnes.edge import Done, Function, Needs, form, mail, page
from agnes.kernel.principal import Principal

app = Function("admin-page_user")


@app.route("/admin/users/{user_id}", methods=["GET"])
@page(needs=Needs.ADMIN, query=PageQuery, reads=user_pages.FILES)
def page_user(who: Principal, user_id: str, query: PageQuery) -> UserPage:
    """Show everything that an admin decides about a user."""
    state, store = wiring.state(), wiring.store()
    limits, now = wiring.quotas(), wiring.clock().now()
    return user_pages.user_page(state, store, who, user_id, offset=query.offset, limits=limits, now=now)


@app.route("/admin/users/{user_id}", methods=["POST"])
@form(needs=Needs.ADMIN, body=UserForm, page=page_user)
def post_user(who: Principal, user_id: str, body: UserForm) -> Done | UserPage:
    """Change the account, its groups or its tokens, or make a link by which its owner chooses a password."""
    state, store, now = wiring.state(), wiring.store(), wiring.clock().now()
    if body.action != "link":
        return Done(*user_pages.change(state, store, who, user_id, body, now=now))
    link = user_pages.make_link(state, who, user_id, now=now)
    sent = mail.send_link(link, by=who.name or who.email)
    if sent.is_sent:
        return Done(f"{user_pages.PATH}/{user_id}", f"A mail with a link is on its way to {link.email}.")
    shown = user_pages.user_page(state, store, who, user_id, offset=0, limits=wiring.quotas(), now=now)
    return replace(shown, new_link=sent.url)
