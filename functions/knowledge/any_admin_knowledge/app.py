"""Governance of knowledge, what admins decide."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.knowledge import governing, listing, relations, service
from agnes.knowledge.listing import ItemDetail
from agnes.knowledge.relations import Relation
from agnes.knowledge.requests import AdminChange, BatchBody, BulkChange, DecisionBody, ResolutionBody, SessionBody
from agnes.knowledge.service import BatchResult
from agnes.knowledge.transitions import Event

app = Function("knowledge-any_admin_knowledge")
ADMIN = "/api/admin/knowledge"


@app.route(f"{ADMIN}/decisions", methods=["POST"])
@endpoint(needs=Needs.ADMIN, body=BatchBody)
def post_decisions(who: Principal, body: BatchBody) -> BatchResult:
    """Decide about several items in one commit; those that cannot be decided are named with the reason."""
    return service.decide_all(wiring.knowledge(), who, body.item_ids, body.decision(Event(body.decision_name)))


@app.route(f"{ADMIN}/changes", methods=["POST"])
@endpoint(needs=Needs.ADMIN, body=BulkChange)
def post_changes(who: Principal, body: BulkChange) -> BatchResult:
    """Change fields of several items."""
    return governing.change_all(wiring.knowledge(), who, body.item_ids, **body.arguments)


@app.route(f"{ADMIN}/detector/retry", methods=["POST"])
@endpoint(needs=Needs.ADMIN, body=SessionBody)
def post_retry(who: Principal, body: SessionBody) -> dict[str, bool]:
    """Let a session that failed be read again by the next run."""
    return {"waiting": governing.retry(wiring.knowledge(), who, body.user_id, body.session_id)}


@app.route(f"{ADMIN}/relations/{{item_a}}/{{item_b}}", methods=["POST"])
@endpoint(needs=Needs.ADMIN, body=ResolutionBody)
def post_resolution(who: Principal, item_a: str, item_b: str, body: ResolutionBody) -> Relation:
    """Resolve a duplicate or a contradiction: items, evidence and relation change together."""
    return relations.resolve(wiring.knowledge(), who, item_a, item_b, body.resolution, merged=body.merged)


@app.route(f"{ADMIN}/items/{{item_id}}", methods=["PATCH"])
@endpoint(needs=Needs.ADMIN, body=AdminChange)
def patch_item(who: Principal, item_id: str, body: AdminChange) -> ItemDetail:
    """Change an item. Another text is another revision, compared with the others again."""
    service.edit(wiring.knowledge(), who, item_id, body.model_dump(exclude_unset=True))
    return listing.detail(wiring.knowledge(), who, item_id)


@app.route(f"{ADMIN}/items/{{item_id}}/{{decision}}", methods=["POST"])
@endpoint(needs=Needs.ADMIN, body=DecisionBody)
def post_decision(who: Principal, item_id: str, decision: str, body: DecisionBody) -> ItemDetail:
    """Carry out a decision: approve, mandate, reject, revoke or return (to the queue)."""
    service.decide(wiring.knowledge(), who, item_id, body.decision(governing.event_of(decision)))
    return listing.detail(wiring.knowledge(), who, item_id)
