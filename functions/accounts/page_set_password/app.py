"""Choose a password by an invitation or a reset link."""

from agnes import wiring
from agnes.accounts import limits, links
from agnes.accounts import service as accounts
from agnes.accounts.link_pages import SetPasswordForm, SetPasswordPage, TokenQuery
from agnes.accounts.pages import session_cookie
from agnes.accounts.pending import SecondFactorRequired
from agnes.edge import Done, Function, Needs, Reply, Request, form, page, second_step
from agnes.edge.origin import require_same_origin
from agnes.kernel.ports import Secret
from agnes.kernel.principal import Principal

app = Function("accounts-page_set_password")


@app.route("/auth/password/set", methods=["GET"])
@page(needs=Needs.PUBLIC, query=TokenQuery)
def page_set_password(_who: Principal | None, query: TokenQuery, request: Request) -> SetPasswordPage:
    """Show the form if the link works; that uses it not up, since mail scanners open links."""
    now = wiring.clock().now()
    limits.count_address(wiring.store(), "links", request.client_ip, limit=60, now=now)
    with wiring.state().read("people") as db:
        link = links.find(db, Secret(query.token), ("invitation", "reset"), now=now)
    return SetPasswordPage(query.token, link.user.email, link.user.name, link.purpose == "invitation")


@app.route("/auth/password/set", methods=["POST"])
@form(needs=Needs.PUBLIC, body=SetPasswordForm, page=page_set_password)
def post_set_password(_who: Principal | None, body: SetPasswordForm, request: Request) -> Done | Reply:
    """Set the password and sign in; all other sign-ins end."""
    settings, now = wiring.settings(), wiring.clock().now()
    require_same_origin(request, public_host=settings.public_host)
    token, password = Secret(body.token.get_secret_value()), Secret(body.password.get_secret_value())
    try:
        signed_in = links.set_password(wiring.state(), wiring.store(), token, password, now=now)
    except SecondFactorRequired as asked:
        return second_step.ask(asked, wiring.config().agnes_home_route)
    cookie = session_cookie(signed_in.token, secure=settings.secure_cookies, base_path=settings.base_path)
    with wiring.state().read("people") as db:
        live = accounts.live_tokens(db, signed_in.user_id, now=now)
    if not live:
        return Done("/me/connect", "Your password is set, and you are signed in.", cookies=(cookie,))
    still = "1 access token still works" if live == 1 else f"{live} access tokens still work"
    notice = f"Your password is set, and you are signed in. {still}: revoke what others may know."
    return Done("/me/profile", notice, cookies=(cookie,))
