"""What hosting costs."""

from agnes import wiring
from agnes.edge import Function, Needs, Request, endpoint
from agnes.edge.recording import tariff_of
from agnes.hosting import report
from agnes.hosting.report import CostQuery, CostReport
from agnes.kernel.principal import Principal

app = Function("hosting-get_cost")


@app.route("/api/admin/cost", methods=["GET"])
@endpoint(needs=Needs.ADMIN, query=CostQuery)
def get_cost(_who: Principal, query: CostQuery, request: Request) -> CostReport:
    """Estimate what this installation costs on AWS, in total and by feature, from the calls that it made."""
    wiring.ledger().flush()
    return report.report(
        wiring.store(),
        days=query.days,
        now=wiring.clock().now(),
        tariff=tariff_of(request.raw),
        on_aws=wiring.settings().is_on_lambda,
    )
