"""What one shares oneself, with its versions and what to do."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.flea import notices, owning
from agnes.flea.notices import Notices
from agnes.flea.owning import Owned
from agnes.kernel.principal import Principal

app = Function("flea-get_mine")


@app.route("/api/store/mine", methods=["GET"])
@endpoint(needs=Needs.LOGIN, reads=("flea",))
def get_mine(who: Principal) -> list[Owned]:
    """List what you share, the newest first, with every version and its state."""
    with wiring.state().read("flea") as db:
        return owning.mine(db, who)


@app.route("/api/store/mine/{entity_id}", methods=["GET"])
@endpoint(needs=Needs.LOGIN, reads=("flea",))
def get_one_of_mine(who: Principal, entity_id: str) -> Owned:
    """Describe one of them."""
    with wiring.state().read("flea") as db:
        return owning.one_of_mine(db, who, entity_id)


@app.route("/api/store/notices", methods=["GET"])
@endpoint(needs=Needs.LOGIN, reads=("flea",))
def get_notices(who: Principal) -> Notices:
    """List what you were told, the newest first."""
    with wiring.state().read("flea") as db:
        return notices.of(db, who)
