"""The page behind the one-time setup link."""

from pydantic import BaseModel, ConfigDict

from agnes import wiring
from agnes.accounts import first_start
from agnes.accounts.forms import Setup
from agnes.accounts.pages import SetupPage, session_cookie
from agnes.edge import Function, Needs, Redirect, Reply, Request, page
from agnes.edge.origin import require_same_origin
from agnes.kernel.errors import BadRequestError
from agnes.kernel.ports import Secret
from agnes.kernel.principal import Principal

app = Function("accounts-page_setup")


class SetupQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    secret: str = ""


@app.route("/setup", methods=["GET"])
@page(needs=Needs.PUBLIC, query=SetupQuery)
def get_setup(_who: Principal | None, query: SetupQuery) -> SetupPage:
    """The form that makes the first admin, for who holds the secret."""
    with wiring.state().read("people") as db:
        first_start.check_secret(db, Secret(query.secret), now=wiring.clock().now())
    return SetupPage(secret=query.secret)


@app.route("/setup", methods=["POST"])
@page(needs=Needs.PUBLIC, body=Setup)
def post_setup(_who: Principal | None, body: Setup, request: Request) -> SetupPage | Reply:
    """Make the first admin and sign in, or the form again with what is wrong."""
    settings, now = wiring.settings(), wiring.clock().now()
    require_same_origin(request, public_host=settings.public_host)
    try:
        signed_in = first_start.bootstrap(wiring.state(), wiring.store(), body, now=now)
    except BadRequestError as wrong:
        return SetupPage(body.given_secret.value, body.email, body.name, error=wrong.message, status=wrong.status)
    cookie = session_cookie(signed_in.token, secure=settings.secure_cookies, base_path=settings.base_path)
    return Redirect(settings.base_path + wiring.config().agnes_home_route, cookies=(cookie,))
