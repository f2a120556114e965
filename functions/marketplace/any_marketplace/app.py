"""Change a marketplace; remove it."""

from pydantic import BaseModel, ConfigDict

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.marketplace import service
from agnes.marketplace.model import Marketplace, MarketplaceChange

app = Function("marketplace-any_marketplace")


class DeleteQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    purge: bool = False


@app.route("/api/marketplaces/{id}", methods=["PATCH"])
@endpoint(needs=Needs.ADMIN, body=MarketplaceChange)
def patch_marketplace(who: Principal, id: str, body: MarketplaceChange) -> Marketplace:
    """Change what is given; the next sync goes by it."""
    return service.update(
        wiring.state(),
        who,
        id,
        body,
        secrets=wiring.secrets(),
        clock=wiring.clock(),
        allow=wiring.settings().outbound_allow("git"),
    )


@app.route("/api/marketplaces/{id}", methods=["DELETE"])
@endpoint(needs=Needs.ADMIN, query=DeleteQuery, status=204)
def delete_marketplace(who: Principal, id: str, query: DeleteQuery) -> None:
    """Remove a marketplace with its plugins and its token."""
    service.delete(wiring.state(), who, id, purge=query.purge, secrets=wiring.secrets())
