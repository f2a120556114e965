"""Decide about a submission."""

from pydantic import BaseModel, ConfigDict, Field

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.flea import deciding
from agnes.flea.model import Submission
from agnes.kernel.principal import Principal

app = Function("flea-post_decision")


class SubmissionDecision(BaseModel):
    """`reason` is needed to override, reject, quarantine and release; its owner reads it."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field("", max_length=2000)


@app.route("/api/admin/store/submissions/{submission_id}/{decision}", methods=["POST"])
@endpoint(needs=Needs.ADMIN, body=SubmissionDecision)
def post_decision(who: Principal, submission_id: str, decision: str, body: SubmissionDecision) -> Submission:
    """Carry out a decision: approve, override, reject, retry (the model), rescan (the rules), quarantine or release."""
    return deciding.decide_named(wiring.market(), who, submission_id, decision, body.reason)
