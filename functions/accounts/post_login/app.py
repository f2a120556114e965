"""Sign in with a password and get a bearer."""

from agnes import wiring
from agnes.accounts import second_factor, signing_in
from agnes.accounts.forms import Login
from agnes.accounts.model import Bearer
from agnes.accounts.pending import SecondFactorRequired
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal

app = Function("accounts-post_login")


def sign_in(body: Login) -> Bearer:
    now = wiring.clock().now()
    try:
        signed_in = signing_in.sign_in(
            wiring.state(), wiring.store(), email=body.email, password=body.given_password, now=now
        )
    except SecondFactorRequired as asked:
        if not body.code:
            raise
        signed_in = second_factor.finish(
            wiring.state(), wiring.store(), wiring.secrets(), asked.pending, body.code, now=now
        )
    return Bearer.of(signed_in)


@app.route("/auth/token", methods=["POST"])
@endpoint(needs=Needs.PUBLIC, body=Login)
def post_token(_who: Principal | None, body: Login) -> Bearer:
    """Sign in with a password: a bearer for 24 hours."""
    return sign_in(body)


@app.route("/auth/password/login", methods=["POST"])
@endpoint(needs=Needs.PUBLIC, body=Login)
def post_password_login(_who: Principal | None, body: Login) -> Bearer:
    """The same as POST /auth/token, under the name that older clients know."""
    return sign_in(body)
