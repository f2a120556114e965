"""How a plugin gets into the curated marketplace."""

from agnes.browse.pages import FormatGuidePage, GuidePage
from agnes.edge import Function, Needs, page
from agnes.kernel.principal import Principal

app = Function("browse-page_guide")


@app.route("/marketplace/guide/curated", methods=["GET"])
@page(needs=Needs.LOGIN)
def page_guide(who: Principal) -> GuidePage:  # noqa: ARG001 (everybody reads the same)
    """Explain how to submit a plugin."""
    return GuidePage()


@app.route("/marketplace/format-guide", methods=["GET"])
@page(needs=Needs.LOGIN)
def page_format_guide(who: Principal) -> FormatGuidePage:  # noqa: ARG001 (everybody reads the same)
    """Explain what a marketplace's repository may hold."""
    return FormatGuidePage()
