"""Activate or deactivate an account."""

from agnes import wiring
from agnes.accounts import users
from agnes.accounts.model import User
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal

app = Function("accounts-post_user_activation")


@app.route("/api/users/{user_id}/activate", methods=["POST"])
@endpoint(needs=Needs.ADMIN)
def post_activate(who: Principal, user_id: str) -> User:
    """Let somebody in again."""
    return users.update(wiring.state(), who, user_id, active=True, now=wiring.clock().now())


@app.route("/api/users/{user_id}/deactivate", methods=["POST"])
@endpoint(needs=Needs.ADMIN)
def post_deactivate(who: Principal, user_id: str) -> User:
    """Keep somebody out from this moment on; their sessions end."""
    return users.update(wiring.state(), who, user_id, active=False, now=wiring.clock().now())
