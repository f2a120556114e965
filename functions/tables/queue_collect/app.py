"""Collect the table that a message names."""

from typing import Any

from agnes import wiring
from agnes.edge import Function, queue_job
from agnes.tables import collecting

app = Function("tables-queue_collect")


@app.lambda_function()
@queue_job("tables.collect_one")
def run(body: dict[str, Any]) -> None:
    """What fails is in the table's state, and is tried again by the schedule; a store that is away has the message come again."""
    collecting.collect(wiring.collecting(), str(body["table_id"]), str(body["reason"]))
