"""List accounts."""

from agnes import wiring
from agnes.accounts import service
from agnes.accounts.model import User
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal

app = Function("accounts-get_users")


@app.route("/api/users", methods=["GET"])
@endpoint(needs=Needs.ADMIN)
def get_users(_who: Principal) -> list[User]:
    """List all accounts, by e-mail."""
    with wiring.state().read("people") as db:
        return service.users(db)


@app.route("/api/users/{user_id}", methods=["GET"])
@endpoint(needs=Needs.ADMIN)
def get_user(_who: Principal, user_id: str) -> User:
    """One account."""
    with wiring.state().read("people") as db:
        return service.get_user(db, user_id)
