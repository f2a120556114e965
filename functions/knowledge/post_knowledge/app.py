"""What a person does with knowledge: propose, correct what waits, vote, dismiss, keep to oneself, report an error."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.knowledge import listing, notices, service
from agnes.knowledge.changing import Put
from agnes.knowledge.listing import ItemDetail
from agnes.knowledge.model import FILE
from agnes.knowledge.requests import ErrorReport, ItemCreate, Personal, Vote
from agnes.knowledge.service import Draft

app = Function("knowledge-post_knowledge")
ITEM = "/api/knowledge/{item_id}"


@app.route("/api/knowledge", methods=["POST"])
@endpoint(needs=Needs.LOGIN, body=ItemCreate, status=201)
def post_item(who: Principal, body: ItemCreate) -> Put:
    """Propose a fact."""
    draft = Draft(body.title, body.content, body.domain, body.category, body.tags, body.entities)
    return service.propose(wiring.knowledge(), who, draft)


@app.route("/api/knowledge/notices", methods=["POST"])
@endpoint(needs=Needs.LOGIN)
def post_notices(who: Principal) -> None:
    """Mark all that you were told as read."""
    now = wiring.clock().now()
    wiring.state().commit(FILE, lambda tx: notices.set_read(tx, who, now))


@app.route(f"{ITEM}/vote", methods=["POST"])
@endpoint(needs=Needs.LOGIN, body=Vote)
def post_vote(who: Principal, item_id: str, body: Vote) -> dict[str, int]:
    """Say that an item helps, or does not."""
    return service.vote(wiring.knowledge(), who, item_id, body.vote)


@app.route(f"{ITEM}/dismiss", methods=["POST"])
@endpoint(needs=Needs.LOGIN)
def post_dismissal(who: Principal, item_id: str) -> None:
    """Keep an item out of your own sessions."""
    service.dismiss(wiring.knowledge(), who, item_id, wanted=True)


@app.route(f"{ITEM}/personal", methods=["POST"])
@endpoint(needs=Needs.LOGIN, body=Personal)
def post_personal(who: Principal, item_id: str, body: Personal) -> ItemDetail:
    """Keep an item of yours to yourself, or share it again."""
    service.set_personal(wiring.knowledge(), who, item_id, wanted=body.personal)
    return listing.detail(wiring.knowledge(), who, item_id)


@app.route(f"{ITEM}/report", methods=["POST"])
@endpoint(needs=Needs.LOGIN, body=ErrorReport)
def post_report(who: Principal, item_id: str, body: ErrorReport) -> None:
    """Report that an item is wrong."""
    service.report_error(wiring.knowledge(), who, item_id, body.reason)
