"""List the marketplaces; register one."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.marketplace import service
from agnes.marketplace.model import Marketplace, NewMarketplace

app = Function("marketplace-any_marketplaces")


@app.route("/api/marketplaces", methods=["GET"])
@endpoint(needs=Needs.ADMIN, reads=("marketplace",))
def get_marketplaces(_who: Principal) -> list[Marketplace]:
    """List the marketplaces, by name."""
    with wiring.state().read("marketplace") as db:
        return service.marketplaces(db)


@app.route("/api/marketplaces", methods=["POST"])
@endpoint(needs=Needs.ADMIN, body=NewMarketplace, status=201)
def post_marketplace(who: Principal, body: NewMarketplace) -> Marketplace:
    """Register a marketplace; it is synced when asked, or at night."""
    return service.register(
        wiring.state(),
        who,
        body,
        secrets=wiring.secrets(),
        clock=wiring.clock(),
        allow=wiring.settings().outbound_allow("git"),
    )
