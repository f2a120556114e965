"""The audit as files."""

from urllib.parse import urlencode

from agnes import wiring
from agnes.audit import export
from agnes.audit.export import ExportQuery
from agnes.edge import Function, Needs, Reply, endpoint
from agnes.edge.reply import Download
from agnes.kernel.principal import Principal
from agnes.state import names

app = Function("audit-get_export")


@app.route("/api/admin/audit/export", methods=["GET"])
@endpoint(needs=Needs.ADMIN, query=ExportQuery, reads=names())
def get_export(_who: Principal, query: ExportQuery) -> Reply:
    """Download lines of the audit, oldest first; the header `Link` names the next part as `rel="next"` until the last."""
    made = export.export(wiring.state(), wiring.store(), query, now=wiring.clock().now())
    headers = {}
    if made.following is not None:
        asked = query.model_dump(mode="json", exclude={"after_at", "after_id"})
        place = {"after_at": made.following.ts.isoformat(), "after_id": made.following.id}
        headers["Link"] = f'<?{urlencode(asked | place)}>; rel="next"'
    return Download(made.body, filename=made.filename, content_type=made.content_type, headers=headers)
