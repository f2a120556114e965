"""Knowledge as a person may read it: lists, search, one item, and what their sessions load."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.knowledge import bundle, listing, notices
from agnes.knowledge.bundle import Bundle
from agnes.knowledge.listing import ItemDetail, ItemsPage, ItemsQuery, Stats
from agnes.knowledge.model import FILE
from agnes.knowledge.notices import Notice
from agnes.knowledge.requests import BundleQuery

app = Function("knowledge-get_knowledge")


@app.route("/api/knowledge", methods=["GET"])
@endpoint(needs=Needs.LOGIN, query=ItemsQuery, reads=(FILE,))
def get_items(who: Principal, query: ItemsQuery) -> ItemsPage:
    """List or search what you may see: what is distributed to you and, in every state, what you proposed."""
    return listing.page(wiring.knowledge(), who, query)


@app.route("/api/knowledge/stats", methods=["GET"])
@endpoint(needs=Needs.LOGIN, reads=(FILE,))
def get_stats(who: Principal) -> Stats:
    """Count what you may see."""
    return listing.stats(wiring.knowledge(), who)


@app.route("/api/knowledge/bundle", methods=["GET"])
@endpoint(needs=Needs.LOGIN, query=BundleQuery, reads=(FILE,))
def get_bundle(who: Principal, query: BundleQuery) -> Bundle:
    """Give what your sessions load, mandatory items first, within a number of tokens."""
    domains = [word.strip() for word in query.domains.split(",") if word.strip()]
    return bundle.bundle(wiring.knowledge(), who, domains=domains, text=query.text, budget_tokens=query.budget_tokens)


@app.route("/api/knowledge/notices", methods=["GET"])
@endpoint(needs=Needs.LOGIN, reads=(FILE,))
def get_notices(who: Principal) -> list[Notice]:
    """List what you were told about knowledge, the newest first."""
    with wiring.state().read(FILE) as db:
        return notices.of(db, who)


@app.route("/api/knowledge/{item_id}", methods=["GET"])
@endpoint(needs=Needs.LOGIN, reads=(FILE,))
def get_item(who: Principal, item_id: str) -> ItemDetail:
    """Describe one item, with its history and, for admins, its evidence."""
    return listing.detail(wiring.knowledge(), who, item_id)
