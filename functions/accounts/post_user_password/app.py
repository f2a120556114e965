"""Set somebody's password."""

from pydantic import BaseModel, ConfigDict, SecretStr

from agnes import wiring
from agnes.accounts import users
from agnes.accounts.users import PasswordReset
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.ports import Secret
from agnes.kernel.principal import Principal

app = Function("accounts-post_user_password")


class Password(BaseModel):
    model_config = ConfigDict(extra="forbid")

    password: SecretStr
    revoke_tokens: bool = False


@app.route("/api/users/{user_id}/set-password", methods=["POST"])
@endpoint(needs=Needs.ADMIN, body=Password)
def post_set_password(who: Principal, user_id: str, body: Password) -> PasswordReset:
    """Set a password; all sign-ins of the account end, its tokens with `revoke_tokens`. Lists those that stay."""
    password, now = Secret(body.password.get_secret_value()), wiring.clock().now()
    state, store = wiring.state(), wiring.store()
    return users.set_password(state, store, who, user_id, password, revoke_tokens=body.revoke_tokens, now=now)
