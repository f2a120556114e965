"""Everybody's tokens."""

from agnes import wiring
from agnes.accounts import tokens
from agnes.accounts.model import OwnedToken
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal

app = Function("accounts-get_admin_tokens")


@app.route("/auth/admin/tokens", methods=["GET"])
@endpoint(needs=Needs.ADMIN)
def get_admin_tokens(_who: Principal) -> list[OwnedToken]:
    """List everybody's tokens, newest first."""
    with wiring.state().read("people") as db:
        return tokens.everybody(db, wiring.store())
