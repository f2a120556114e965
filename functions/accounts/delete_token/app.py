"""Revoke one's own token."""

from agnes import wiring
from agnes.accounts import tokens
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal

app = Function("accounts-delete_token")


@app.route("/auth/tokens/{token_id}", methods=["DELETE"])
@endpoint(needs=Needs.LOGIN)
def delete_token(who: Principal, token_id: str) -> None:
    """Revoke one of one's own tokens."""
    tokens.revoke(wiring.state(), who, token_id, now=wiring.clock().now())
