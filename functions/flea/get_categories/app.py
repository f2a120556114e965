"""The categories of the Flea market."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.flea import listing
from agnes.flea.model import CATEGORIES
from agnes.kernel.principal import Principal

app = Function("flea-get_categories")


@app.route("/api/store/categories", methods=["GET"])
@endpoint(needs=Needs.LOGIN)
def get_categories(_who: Principal) -> list[str]:
    """List the categories that something may be shared in."""
    return list(CATEGORIES)


@app.route("/api/store/owners", methods=["GET"])
@endpoint(needs=Needs.LOGIN, reads=("flea",))
def get_owners(who: Principal) -> list[listing.OwnerLine]:
    """List who shares something that you may see."""
    with wiring.state().read(*listing.FILES) as db:
        return listing.owners(db, who)
