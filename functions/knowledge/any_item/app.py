"""Change one's own item, or take it into one's own sessions again."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.knowledge import listing, service
from agnes.knowledge.listing import ItemDetail
from agnes.knowledge.requests import ItemChange

app = Function("knowledge-any_item")
ITEM = "/api/knowledge/{item_id}"


@app.route(ITEM, methods=["PATCH"])
@endpoint(needs=Needs.LOGIN, body=ItemChange)
def patch_item(who: Principal, item_id: str, body: ItemChange) -> ItemDetail:
    """Change your own item while it waits for a review."""
    service.edit(wiring.knowledge(), who, item_id, body.model_dump(exclude_unset=True))
    return listing.detail(wiring.knowledge(), who, item_id)


@app.route(f"{ITEM}/dismiss", methods=["DELETE"])
@endpoint(needs=Needs.LOGIN)
def delete_dismissal(who: Principal, item_id: str) -> None:
    """Take an item into your own sessions again."""
    service.dismiss(wiring.knowledge(), who, item_id, wanted=False)
