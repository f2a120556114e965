"""Ask for a link: to set a new password, or to sign in."""

from agnes import wiring
from agnes.accounts import limits, link_pages
from agnes.accounts.link_pages import ForgotForm, ForgotPage
from agnes.edge import Done, Function, Needs, Request, form, page
from agnes.edge.origin import require_same_origin
from agnes.kernel.principal import Principal

app = Function("accounts-page_forgot")


@app.route("/auth/password/reset", methods=["GET"])
@page(needs=Needs.PUBLIC)
def page_forgot(_who: Principal | None) -> ForgotPage:
    """Show the form."""
    return ForgotPage(sends_mail=wiring.config().mail != "none")


@app.route("/auth/password/reset", methods=["POST"])
@form(needs=Needs.PUBLIC, body=ForgotForm, page=page_forgot)
def post_forgot(_who: Principal | None, body: ForgotForm, request: Request) -> Done:
    """Queue a mail; the answer is the same whether or not there is such an account."""
    settings, now = wiring.settings(), wiring.clock().now()
    require_same_origin(request, public_host=settings.public_host)
    limits.count_address(wiring.store(), "links", request.client_ip, limit=link_pages.ASKS_A_MINUTE, now=now)
    if wiring.config().mail != "none":
        link_pages.ask(wiring.queue(), body)
    return Done("/login", link_pages.SENT)
