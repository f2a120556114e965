"""Review the submission that a message names."""

from typing import Any

from agnes import wiring
from agnes.edge import Function, queue_job
from agnes.flea import reviewing
from agnes.flea.spending import Caps

app = Function("flea-queue_review")


@app.lambda_function()
@queue_job("flea.review")
def run(body: dict[str, Any]) -> None:
    """One worker holds a submission at a time; a model that is away has the message come again."""
    settings = wiring.settings()
    caps = Caps(settings.flea_review_person_usd, settings.flea_review_total_usd)
    reviewing.review(wiring.market(), wiring.flea_reviewer(), str(body["submission_id"]), caps=caps)
