"""What an identity provider sends a browser back to."""

from agnes import wiring
from agnes.accounts.pages import HOME, session_cookie
from agnes.directory import sign_on_pages, signing_on
from agnes.directory.model import ProviderKey
from agnes.edge import Function, Needs, Redirect, Reply, Request, page
from agnes.kernel.errors import AgnesError
from agnes.kernel.principal import Principal

app = Function("directory-get_sign_on_callback")


@app.route("/auth/google/callback", methods=["GET"])
@page(needs=Needs.PUBLIC)
def get_google(_who: Principal | None, request: Request) -> Reply:
    """Finish signing in with Google."""
    return _finish("google", request)


@app.route("/auth/oidc/callback", methods=["GET"])
@page(needs=Needs.PUBLIC)
def get_oidc(_who: Principal | None, request: Request) -> Reply:
    """Finish signing in with the organisation's OpenID Connect provider."""
    return _finish("oidc", request)


def _finish(key: ProviderKey, request: Request) -> Reply:
    """Go on signed in, or back to the sign-in page, which says why not."""
    settings, now = wiring.settings(), wiring.clock().now()
    query = {name: values[0] for name, values in request.query.items()}
    state = query.get("state", "")
    ended = sign_on_pages.end_cookie(state, base_path=settings.base_path, secure=settings.secure_cookies)
    try:
        signed_in, way_on = wiring.signing_on().finish(wiring.provider(key), query, request.cookies, now=now)
    except AgnesError as refused:
        signing_on.record_refusal(wiring.store(), key, refused, now=now)
        return Redirect(settings.base_path + sign_on_pages.refused_path(refused, HOME), status=302, cookies=(ended,))
    session = session_cookie(signed_in.token, secure=settings.secure_cookies, base_path=settings.base_path)
    return Redirect(settings.base_path + way_on, status=302, cookies=(session, ended))
