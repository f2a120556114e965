"""How plugins get into the marketplaces, and what comes of them there."""

from agnes.browse.guide_pages import FleaGuidePage, FormatGuidePage, GuidePage, RunbookPage
from agnes.edge import Function, Needs, page
from agnes.kernel.principal import Principal

app = Function("browse-page_guide")


@app.route("/marketplace/guide/curated", methods=["GET"])
@page(needs=Needs.LOGIN)
def page_guide(who: Principal) -> GuidePage:  # noqa: ARG001 (everybody reads the same)
    """Explain how to submit a plugin."""
    return GuidePage()


@app.route("/marketplace/guide/flea", methods=["GET"])
@page(needs=Needs.LOGIN)
def page_flea_guide(who: Principal) -> FleaGuidePage:  # noqa: ARG001 (everybody reads the same)
    """Explain what is in the flea market, and what becomes of it."""
    return FleaGuidePage()


@app.route("/marketplace/format-guide", methods=["GET"])
@page(needs=Needs.LOGIN)
def page_format_guide(who: Principal) -> FormatGuidePage:  # noqa: ARG001 (everybody reads the same)
    """Explain what a marketplace's repository may hold."""
    return FormatGuidePage()


@app.route("/admin/help/damaged-data", methods=["GET"])
@page(needs=Needs.ADMIN)
def page_damaged_data(who: Principal) -> RunbookPage:  # noqa: ARG001 (every admin reads the same)
    """Explain what is done about damaged data, and what an operator does."""
    return RunbookPage()
