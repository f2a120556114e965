"""The page of what hosting costs."""

from agnes import wiring
from agnes.edge import Function, Needs, Request, page
from agnes.edge.recording import tariff_of
from agnes.hosting import report
from agnes.hosting.cost_page import CostPage
from agnes.hosting.report import CostQuery
from agnes.kernel.principal import Principal

app = Function("hosting-page_cost")


@app.route("/admin/cost", methods=["GET"])
@page(needs=Needs.ADMIN, query=CostQuery)
def page_cost(_who: Principal, query: CostQuery, request: Request) -> CostPage:
    """Show what this installation costs on AWS, in total and by feature."""
    wiring.ledger().flush()
    found = report.report(
        wiring.store(),
        days=query.days,
        now=wiring.clock().now(),
        tariff=tariff_of(request.raw),
        on_aws=wiring.settings().is_on_lambda,
    )
    return CostPage(found, query.days)
