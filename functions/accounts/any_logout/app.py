"""Sign out."""

from agnes import wiring
from agnes.accounts import signing_in
from agnes.accounts.pages import session_cookie
from agnes.edge import Function, Needs, Redirect, Reply, Request, page
from agnes.edge.identify import find_credential
from agnes.kernel.ports import Secret
from agnes.kernel.principal import Principal

app = Function("accounts-any_logout")


@app.route("/auth/logout", methods=["POST"])
@page(needs=Needs.PUBLIC)
def post_logout(_who: Principal | None, request: Request) -> Reply:
    """End the session of the cookie or the bearer."""
    settings = wiring.settings()
    credential = find_credential(request, basic=False)
    if credential is not None:
        signing_in.sign_out(wiring.state(), wiring.store(), Secret(credential.value), now=wiring.clock().now())
        if not credential.from_cookie:
            return Reply(status=204)
    gone = session_cookie(None, secure=settings.secure_cookies, base_path=settings.base_path)
    return Redirect(f"{settings.base_path}/login", cookies=(gone,))


@app.route("/auth/logout", methods=["GET"])
@page(needs=Needs.PUBLIC)
def get_logout(_who: Principal | None) -> Reply:
    """A link must not sign anybody out: only the button does."""
    return Redirect(f"{wiring.settings().base_path}/login")
