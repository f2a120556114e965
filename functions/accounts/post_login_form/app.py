"""What the login page's form is sent to."""

from urllib.parse import urlencode

from agnes import wiring
from agnes.accounts import second_factor, signing_in
from agnes.accounts.forms import LoginForm
from agnes.accounts.limits import TooManyAttempts
from agnes.accounts.pages import code_path, session_cookie
from agnes.accounts.pending import SecondFactorRequired
from agnes.accounts.rules import local_path
from agnes.edge import Function, Needs, Redirect, Reply, Request, page, second_step
from agnes.edge.origin import require_same_origin
from agnes.kernel.errors import UnauthenticatedError
from agnes.kernel.principal import Principal

app = Function("accounts-post_login_form")


@app.route("/auth/password/login/web", methods=["POST"])
@page(needs=Needs.PUBLIC, body=LoginForm)
def post_login_form(_who: Principal | None, body: LoginForm, request: Request) -> Reply:
    """Sign in and go on to `next`, or back to the login page, which says why not."""
    settings, now = wiring.settings(), wiring.clock().now()
    require_same_origin(request, public_host=settings.public_host)  # no site signs its visitors in as somebody else
    way_on = local_path(body.next, otherwise=wiring.config().agnes_home_route)
    pending = second_step.pending(request) if body.code else None
    try:
        if pending is not None:
            signed_in = second_factor.finish(
                wiring.state(), wiring.store(), wiring.secrets(), pending, body.code, now=now
            )
        else:
            signed_in = signing_in.sign_in(
                wiring.state(), wiring.store(), email=body.email, password=body.given_password, now=now
            )
    except SecondFactorRequired as asked:
        return second_step.ask(asked, way_on)
    except (UnauthenticatedError, TooManyAttempts) as refused:
        if pending is not None:
            return Redirect(f"{settings.base_path}{code_path(way_on)}&{urlencode({'error': refused.code})}")
        return Redirect(f"{settings.base_path}/login?{urlencode({'error': refused.code, 'next': way_on})}")
    cookie = session_cookie(signed_in.token, secure=settings.secure_cookies, base_path=settings.base_path)
    return Redirect(settings.base_path + way_on, cookies=(cookie, *second_step.ended(pending)))
