"""The organisation's usage, as an admin sees it."""

from agnes import wiring
from agnes.edge import Function, Needs, page
from agnes.kernel.principal import Principal
from agnes.telemetry.usage.pages import UsagePage, UsageQuery, usage_page

app = Function("telemetry-page_usage")


@app.route("/admin/usage", methods=["GET"])
@page(needs=Needs.ADMIN, query=UsageQuery, reads=("marketplace", "flea", "telemetry"))
def page_usage(who: Principal, query: UsageQuery) -> UsagePage:
    """Show calls, people, errors, tokens and cost by day, and what and who leads."""
    today = wiring.clock().now().date()
    return usage_page(wiring.state(), wiring.store(), who, query, today=today)
