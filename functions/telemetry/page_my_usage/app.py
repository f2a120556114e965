"""One's own usage."""

from agnes import wiring
from agnes.edge import Function, Needs, page
from agnes.kernel.principal import Principal
from agnes.telemetry.usage.pages import MyUsagePage, UsageQuery, my_usage_page

app = Function("telemetry-page_my_usage")


@app.route("/me/usage", methods=["GET"])
@page(needs=Needs.LOGIN, query=UsageQuery, reads=("telemetry",))
def page_my_usage(who: Principal, query: UsageQuery) -> MyUsagePage:
    """Show what you called, and what it took."""
    today = wiring.clock().now().date()
    return my_usage_page(wiring.state(), wiring.store(), who, query, today=today)
