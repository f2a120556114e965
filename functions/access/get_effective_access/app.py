"""What an account was granted, and through which groups."""

from agnes import wiring
from agnes.access.model import EffectiveAccess
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.marketplace import granting

app = Function("access-get_effective_access")


@app.route("/api/me/effective-access", methods=["GET"])
@endpoint(needs=Needs.LOGIN)
def get_my_access(who: Principal) -> EffectiveAccess:
    """What the account that asks may see."""
    with wiring.state().read(*granting.FILES) as db:
        return granting.effective_access(db, who.user_id)


@app.route("/api/admin/users/{user_id}/effective-access", methods=["GET"])
@endpoint(needs=Needs.ADMIN)
def get_access(_who: Principal, user_id: str) -> EffectiveAccess:
    """What an account may see."""
    with wiring.state().read(*granting.FILES) as db:
        return granting.effective_access(db, user_id)
