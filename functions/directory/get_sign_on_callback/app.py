"""What an identity provider sends a browser back to."""

from agnes import wiring
from agnes.accounts.pages import session_cookie
from agnes.directory import sign_on_pages, signing_on
from agnes.directory.model import provider_key
from agnes.edge import Function, Needs, Redirect, Reply, Request, page
from agnes.kernel.errors import AgnesError
from agnes.kernel.principal import Principal

app = Function("directory-get_sign_on_callback")


@app.route("/auth/{provider}/callback", methods=["GET"])
@page(needs=Needs.PUBLIC)
def get_callback(_who: Principal | None, provider: str, request: Request) -> Reply:
    """Go on signed in, or back to the sign-in page, which says why not."""
    key, settings, now = provider_key(provider), wiring.settings(), wiring.clock().now()
    query = request.flat_query
    state = query.get("state", "")
    ended = sign_on_pages.end_cookie(state, base_path=settings.base_path, secure=settings.secure_cookies)
    try:
        signed_in, way_on = wiring.signing_on().finish(wiring.provider(key), query, request.cookies, now=now)
    except AgnesError as refused:
        signing_on.record_refusal(wiring.store(), key, refused, now=now)
        return Redirect(
            settings.base_path + sign_on_pages.refused_path(refused, wiring.config().agnes_home_route),
            status=302,
            cookies=(ended,),
        )
    session = session_cookie(signed_in.token, secure=settings.secure_cookies, base_path=settings.base_path)
    return Redirect(settings.base_path + way_on, status=302, cookies=(session, ended))
