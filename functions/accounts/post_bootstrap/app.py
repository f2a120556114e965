"""Make the first admin with the one-time setup secret."""

from agnes import wiring
from agnes.accounts import first_start
from agnes.accounts.forms import Setup
from agnes.accounts.model import Bearer
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal

app = Function("accounts-post_bootstrap")


@app.route("/auth/bootstrap", methods=["POST"])
@endpoint(needs=Needs.PUBLIC, body=Setup)
def post_bootstrap(_who: Principal | None, body: Setup) -> Bearer:
    """Make the first admin and sign in; closed for ever afterwards."""
    signed_in = first_start.bootstrap(wiring.state(), wiring.store(), body, now=wiring.clock().now())
    return Bearer.of(signed_in)
