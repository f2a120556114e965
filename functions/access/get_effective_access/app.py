"""What an account was granted, through which groups, and what it is served with the reasons."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.stack import effective
from agnes.stack.effective import UserAccess

app = Function("access-get_effective_access")


@app.route("/api/me/effective-access", methods=["GET"])
@endpoint(needs=Needs.LOGIN, reads=effective.FILES)
def get_my_access(who: Principal) -> UserAccess:
    """What the account that asks may see and is served."""
    return effective.effective_access(wiring.state(), wiring.store(), who.user_id, clock=wiring.clock())


@app.route("/api/admin/users/{user_id}/effective-access", methods=["GET"])
@endpoint(needs=Needs.ADMIN, reads=effective.FILES)
def get_access(_who: Principal, user_id: str) -> UserAccess:
    """What an account may see and is served, and why not."""
    return effective.effective_access(wiring.state(), wiring.store(), user_id, clock=wiring.clock())
