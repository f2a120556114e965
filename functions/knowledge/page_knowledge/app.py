"""Knowledge for everybody: the list, one item, proposing."""

from agnes import wiring
from agnes.edge import Done, Function, Needs, Redirect, Reply, form, page
from agnes.kernel.principal import Principal
from agnes.knowledge import pages
from agnes.knowledge.model import FILE
from agnes.knowledge.pages import ItemForm, KnowledgeItemPage, KnowledgePage, KnowledgeQuery, ProposeForm, ProposePage

app = Function("knowledge-page_knowledge")


@app.route("/knowledge", methods=["GET"])
@page(needs=Needs.LOGIN, query=KnowledgeQuery, reads=(FILE,))
def page_list(who: Principal, query: KnowledgeQuery) -> KnowledgePage:
    """Show and search what you may see, and how much of it your sessions load."""
    return pages.list_page(wiring.knowledge(), who, query)


@app.route("/corporate-memory", methods=["GET"])
@page(needs=Needs.LOGIN)
def page_former(_who: Principal) -> Reply:
    """Lead on from the address that this page had on earlier servers."""
    return Redirect(f"{wiring.settings().base_path}/knowledge", status=301)


@app.route("/knowledge/new", methods=["GET"])
@page(needs=Needs.LOGIN)
def page_propose(_who: Principal) -> ProposePage:
    """Show the form of a new fact."""
    return pages.propose_page(wiring.knowledge())


@app.route("/knowledge/new", methods=["POST"])
@form(needs=Needs.LOGIN, body=ProposeForm, page=page_propose)
def post_propose(who: Principal, body: ProposeForm) -> Done:
    """Propose a fact."""
    return Done(*pages.propose(wiring.knowledge(), who, body))


@app.route("/knowledge/{item_id}", methods=["GET"])
@page(needs=Needs.LOGIN, reads=(FILE,))
def page_item(who: Principal, item_id: str) -> KnowledgeItemPage:
    """Show one item."""
    return pages.item_page(wiring.knowledge(), who, item_id)


@app.route("/knowledge/{item_id}", methods=["POST"])
@form(needs=Needs.LOGIN, body=ItemForm, page=page_item)
def post_item(who: Principal, item_id: str, body: ItemForm) -> Done:
    """Vote, dismiss, keep to yourself, or report an error."""
    return Done(*pages.act(wiring.knowledge(), who, item_id, body))
