"""Create an account."""

from pydantic import BaseModel, ConfigDict

from agnes import wiring
from agnes.accounts import users
from agnes.accounts.model import User
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal

app = Function("accounts-post_users")


class UserWish(BaseModel):
    model_config = ConfigDict(extra="forbid")

    email: str
    name: str = ""
    """The address's local part if blank."""


@app.route("/api/users", methods=["POST"])
@endpoint(needs=Needs.ADMIN, body=UserWish, status=201)
def post_users(who: Principal, body: UserWish) -> User:
    """Create an account; it cannot sign in before it has a password."""
    return users.create(wiring.state(), who, email=body.email, name=body.name, now=wiring.clock().now())
