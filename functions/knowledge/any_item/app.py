"""Change one's own item, take it into one's own sessions again, and what `agnes push` sends beside transcripts."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.kernel.scopes import Scope
from agnes.knowledge import helping, listing, noting, service
from agnes.knowledge.listing import ItemDetail
from agnes.knowledge.noting import Received
from agnes.knowledge.requests import ItemChange, Loads, NoteUpload

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


@app.route("/api/knowledge/notes", methods=["PUT"])
@endpoint(needs=Needs.LOGIN, scope=Scope.PUSH, body=NoteUpload)
def put_note(who: Principal, body: NoteUpload) -> Received:
    """Take a workspace's CLAUDE.local.md; what is new in it is read by the detector, without secrets."""
    return noting.receive(wiring.knowledge(), who, body.workspace, body.content)


@app.route("/api/knowledge/loads", methods=["PUT"])
@endpoint(needs=Needs.LOGIN, scope=Scope.PUSH, body=Loads)
def put_loads(who: Principal, body: Loads) -> dict[str, int]:
    """Say which items your sessions began with."""
    return {"recorded": helping.record_loads(wiring.knowledge(), who, body.sessions)}
