"""Governance of knowledge: queue, items, contradictions, duplicates, detector, and the decision about one item."""

from agnes import wiring
from agnes.admin import knowledge_pages
from agnes.admin.knowledge_pages import (
    KnowledgeAdminPage,
    KnowledgeAdminQuery,
    KnowledgeBatchForm,
    KnowledgeDecisionForm,
    KnowledgeDecisionPage,
)
from agnes.edge import Done, Function, Needs, form, page
from agnes.kernel.principal import Principal

app = Function("admin-page_knowledge")


@app.route("/admin/knowledge", methods=["GET"])
@page(needs=Needs.ADMIN, query=KnowledgeAdminQuery, reads=("knowledge",))
def page_lists(who: Principal, query: KnowledgeAdminQuery) -> KnowledgeAdminPage:
    """Show what waits for a decision, or another tab."""
    return knowledge_pages.admin_page(wiring.knowledge(), who, query)


@app.route("/admin/knowledge", methods=["POST"])
@form(needs=Needs.ADMIN, body=KnowledgeBatchForm, page=page_lists)
def post_lists(who: Principal, body: KnowledgeBatchForm) -> Done:
    """Decide about several items, resolve a pair, or have a failed session read again."""
    return Done(*knowledge_pages.act(wiring.knowledge(), who, body))


@app.route("/admin/knowledge/{item_id}", methods=["GET"])
@page(needs=Needs.ADMIN, reads=("knowledge",))
def page_item(who: Principal, item_id: str) -> KnowledgeDecisionPage:
    """Show one item with what it rests on and what is like it."""
    return knowledge_pages.decision_page(wiring.knowledge(), who, item_id)


@app.route("/admin/knowledge/{item_id}", methods=["POST"])
@form(needs=Needs.ADMIN, body=KnowledgeDecisionForm, page=page_item)
def post_item(who: Principal, item_id: str, body: KnowledgeDecisionForm) -> Done:
    """Decide about it, and go on to the next one."""
    return Done(*knowledge_pages.decide(wiring.knowledge(), who, item_id, body))
