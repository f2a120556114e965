"""Read the session that a message names for facts that a person verified."""

from typing import Any

from agnes import wiring
from agnes.edge import Function, queue_job
from agnes.knowledge import detecting

app = Function("knowledge-queue_detect")


@app.lambda_function()
@queue_job("knowledge.detect")
def run(body: dict[str, Any]) -> None:
    """One worker holds a session at a time; what fails for now waits for the schedule."""
    detecting.read_session(wiring.knowledge(), wiring.knowledge_judge(), str(body["user_id"]), str(body["session_id"]))
