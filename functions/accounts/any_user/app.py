"""Change or delete an account."""

from pydantic import BaseModel, ConfigDict

from agnes import wiring
from agnes.accounts import users
from agnes.accounts.model import User
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal

app = Function("accounts-any_user")


class UserPatch(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str | None = None
    active: bool | None = None


@app.route("/api/users/{user_id}", methods=["PATCH"])
@endpoint(needs=Needs.ADMIN, body=UserPatch)
def patch_user(who: Principal, user_id: str, body: UserPatch) -> User:
    """Change the name, activate or deactivate."""
    return users.update(wiring.state(), who, user_id, name=body.name, active=body.active, now=wiring.clock().now())


@app.route("/api/users/{user_id}", methods=["DELETE"])
@endpoint(needs=Needs.ADMIN)
def delete_user(who: Principal, user_id: str) -> None:
    """Delete an account for good."""
    users.delete(wiring.state(), who, user_id, now=wiring.clock().now())
