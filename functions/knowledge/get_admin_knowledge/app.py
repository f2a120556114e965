"""Governance of knowledge, what admins read: relations, failed sessions, exports."""

import csv
import io

from agnes import wiring
from agnes.edge import Function, Needs, Reply, endpoint
from agnes.kernel.principal import Principal
from agnes.knowledge import governing, helping
from agnes.knowledge.governing import DetectorState, RelationsPage
from agnes.knowledge.helping import HelpPage
from agnes.knowledge.model import FILE
from agnes.knowledge.requests import ExportQuery, HelpQuery, RelationsQuery

app = Function("knowledge-get_admin_knowledge")
ADMIN = "/api/admin/knowledge"


@app.route(f"{ADMIN}/relations", methods=["GET"])
@endpoint(needs=Needs.ADMIN, query=RelationsQuery, reads=(FILE,))
def get_relations(who: Principal, query: RelationsQuery) -> RelationsPage:
    """List duplicates, contradictions and refinements with both items, the hardest first."""
    return governing.relations_page(
        wiring.knowledge(), who, query.kind, resolved=query.resolved, skip=query.skip, limit=query.limit
    )


@app.route(f"{ADMIN}/detector", methods=["GET"])
@endpoint(needs=Needs.ADMIN, reads=(FILE,))
def get_detector(who: Principal) -> DetectorState:
    """Say how many sessions wait, were read and failed, why, and what the last day cost."""
    return governing.detector_state(wiring.knowledge(), who)


@app.route(f"{ADMIN}/help", methods=["GET"])
@endpoint(needs=Needs.ADMIN, query=HelpQuery, reads=(FILE,))
def get_help(who: Principal, query: HelpQuery) -> HelpPage:
    """Say which items help: sessions that began with each, were about it and corrected it all the same, and what it costs."""
    return helping.page(wiring.knowledge(), who, skip=query.skip, limit=query.limit)


@app.route(f"{ADMIN}/export", methods=["GET"])
@endpoint(needs=Needs.ADMIN, query=ExportQuery, reads=(FILE,))
def get_export(who: Principal, query: ExportQuery) -> Reply:
    """Give every item that is not personal, as JSON or CSV."""
    rows = governing.export(wiring.knowledge(), who)
    if query.format == "json":
        return Reply(body=rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, governing.EXPORTED, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(governing.csv_row(row) for row in rows)
    disposition = 'attachment; filename="knowledge.csv"'
    return Reply(
        body=text.getvalue().encode(),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": disposition},
    )
