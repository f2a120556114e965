"""Set somebody's password."""

from pydantic import BaseModel, ConfigDict, SecretStr

from agnes import wiring
from agnes.accounts import users
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.ports import Secret
from agnes.kernel.principal import Principal

app = Function("accounts-post_user_password")


class Password(BaseModel):
    model_config = ConfigDict(extra="forbid")

    password: SecretStr


@app.route("/api/users/{user_id}/set-password", methods=["POST"])
@endpoint(needs=Needs.ADMIN, body=Password)
def post_set_password(who: Principal, user_id: str, body: Password) -> None:
    """Set a password; all sessions of the account end."""
    password = Secret(body.password.get_secret_value())
    users.set_password(wiring.state(), who, user_id, password, now=wiring.clock().now())
