"""Revoke anybody's token."""

from agnes import wiring
from agnes.accounts import tokens
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal

app = Function("accounts-delete_admin_token")


@app.route("/auth/admin/tokens/{token_id}", methods=["DELETE"])
@endpoint(needs=Needs.ADMIN)
def delete_admin_token(who: Principal, token_id: str) -> None:
    """Revoke a token, whoever owns it."""
    tokens.revoke_any(wiring.state(), who, token_id, now=wiring.clock().now())
