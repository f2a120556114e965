"""Sign in by a link from a mail."""

from agnes import wiring
from agnes.accounts import limits, links
from agnes.accounts.link_pages import EmailLinkForm, EmailLinkPage, TokenQuery
from agnes.accounts.pages import session_cookie
from agnes.accounts.pending import SecondFactorRequired
from agnes.edge import Done, Function, Needs, Reply, Request, form, page, second_step
from agnes.edge.origin import require_same_origin
from agnes.kernel.ports import Secret
from agnes.kernel.principal import Principal

app = Function("accounts-page_email_link")


@app.route("/auth/email/verify", methods=["GET"])
@page(needs=Needs.PUBLIC, query=TokenQuery)
def page_email_link(_who: Principal | None, query: TokenQuery, request: Request) -> EmailLinkPage:
    """Ask for one click: mail scanners open links, and must not use them up."""
    now = wiring.clock().now()
    limits.count_address(wiring.store(), "links", request.client_ip, limit=60, now=now)
    with wiring.state().read("people") as db:
        link = links.find(db, Secret(query.token), ("sign_in",), now=now)
    return EmailLinkPage(query.token, link.user.email)


@app.route("/auth/email/verify", methods=["POST"])
@form(needs=Needs.PUBLIC, body=EmailLinkForm, page=page_email_link)
def post_email_link(_who: Principal | None, body: EmailLinkForm, request: Request) -> Done | Reply:
    """Sign in. The link works once."""
    settings, now = wiring.settings(), wiring.clock().now()
    require_same_origin(request, public_host=settings.public_host)
    try:
        signed_in = links.sign_in(wiring.state(), wiring.store(), Secret(body.token.get_secret_value()), now=now)
    except SecondFactorRequired as asked:
        return second_step.ask(asked, wiring.config().agnes_home_route)
    cookie = session_cookie(signed_in.token, secure=settings.secure_cookies, base_path=settings.base_path)
    return Done(wiring.config().agnes_home_route, "You are signed in.", cookies=(cookie,))
