"""Queries over data tables."""

from agnes import wiring
from agnes.edge import Function, Needs, Reply, endpoint
from agnes.kernel.principal import Principal
from agnes.kernel.scopes import Scope
from agnes.tables import querying
from agnes.tables.model import FILE
from agnes.tables.querying import QueryRequest, QueryResult
from agnes.tables.running import QueryUse

app = Function("tables-any_query")


@app.route("/api/query", methods=["POST"])
@endpoint(needs=Needs.LOGIN, body=QueryRequest, reads=(FILE,), scope=Scope.READ, answers=QueryResult)
def post_query(who: Principal, body: QueryRequest) -> QueryResult | Reply:
    """Run one SELECT over your tables; a large file comes by redirection to a presigned URL."""
    work = wiring.querying()
    if body.format == "json":
        return querying.rows(work, who, body.sql, limit=body.limit, id_=body.id)
    found = querying.file(work, who, body.sql, body.format, limit=body.limit, id_=body.id)
    return Reply(found.body, found.status, found.headers, found.content_type)


@app.route("/api/query", methods=["GET"])
@endpoint(needs=Needs.LOGIN)
def get_queries(who: Principal) -> QueryUse:
    """Show your queries that run now, and what you have read today."""
    return querying.use(wiring.querying(), who)


@app.route("/api/query/{query_id}", methods=["DELETE"])
@endpoint(needs=Needs.LOGIN, scope=Scope.READ)
def delete_query(who: Principal, query_id: str) -> None:
    """Cancel a query of yours."""
    querying.cancel(wiring.querying(), who, query_id)
