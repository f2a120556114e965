"""Who am I."""

from agnes import wiring
from agnes.accounts import service
from agnes.accounts.model import Me
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal

app = Function("accounts-get_me")


@app.route("/api/me", methods=["GET"])
@endpoint(needs=Needs.LOGIN)
def get_me(who: Principal) -> Me:
    """The account that asks, its groups, and how it proved itself."""
    with wiring.state().read("people") as db:
        return service.me(db, who)
