"""Data tables as queries see them, and scans of one table."""

from agnes import wiring
from agnes.edge import Function, Needs, Reply, endpoint
from agnes.kernel.principal import Principal
from agnes.kernel.scopes import Scope
from agnes.tables import describing
from agnes.tables.describing import Catalog, Estimate, Sample, SampleQuery, ScanAnswered, ScanRequest, TableSchema
from agnes.tables.model import FILE
from agnes.tables.querying import QueryResult

app = Function("tables-any_described")


@app.route("/api/v2/catalog", methods=["GET"])
@endpoint(needs=Needs.LOGIN, reads=(FILE, "telemetry"))
def get_catalog(who: Principal) -> Catalog:
    """List your tables, and those about yourself."""
    return describing.catalog(wiring.querying(), who)


@app.route("/api/v2/schema/{table_id}", methods=["GET"])
@endpoint(needs=Needs.LOGIN, reads=(FILE,))
def get_schema(who: Principal, table_id: str) -> TableSchema:
    """Show the columns of one of your tables."""
    return describing.schema(wiring.querying(), who, table_id)


@app.route("/api/v2/sample/{table_id}", methods=["GET"])
@endpoint(needs=Needs.LOGIN, query=SampleQuery, reads=(FILE,))
def get_sample(who: Principal, table_id: str, query: SampleQuery) -> Sample:
    """Show some rows of one of your tables."""
    return describing.sample(wiring.querying(), who, table_id, query.n)


@app.route("/api/v2/scan/estimate", methods=["POST"])
@endpoint(needs=Needs.LOGIN, body=ScanRequest, reads=(FILE,), scope=Scope.READ)
def post_estimate(who: Principal, body: ScanRequest) -> Estimate:
    """Say what a scan would read and answer."""
    return describing.estimate(wiring.querying(), who, body)


@app.route("/api/v2/scan", methods=["POST"])
@endpoint(needs=Needs.LOGIN, body=ScanAnswered, reads=(FILE,), scope=Scope.READ, answers=QueryResult)
def post_scan(who: Principal, body: ScanAnswered) -> QueryResult | Reply:
    """Read rows of one table that a condition holds for; a large file comes by redirection to a presigned URL."""
    work = wiring.querying()
    if body.format == "json":
        return describing.scan_rows(work, who, body, limit=body.limit, id_=body.id)
    found = describing.scan(work, who, body, body.format, limit=body.limit, id_=body.id)
    return Reply(found.body, found.status, found.headers, found.content_type)
