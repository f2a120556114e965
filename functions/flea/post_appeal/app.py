"""What the owner of a submission may do about it."""

from pydantic import BaseModel, ConfigDict, Field

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.flea import deciding
from agnes.flea.model import Submission
from agnes.kernel.principal import Principal

app = Function("flea-post_appeal")


class Appeal(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: str = Field(max_length=2000)


@app.route("/api/store/submissions/{submission_id}/appeal", methods=["POST"])
@endpoint(needs=Needs.LOGIN, body=Appeal)
def post_appeal(who: Principal, submission_id: str, body: Appeal) -> Submission:
    """Ask an admin to look at what was blocked or rejected."""
    return deciding.appeal(wiring.market(), who, submission_id, body.reason)


@app.route("/api/store/submissions/{submission_id}/withdraw", methods=["POST"])
@endpoint(needs=Needs.LOGIN)
def post_withdraw(who: Principal, submission_id: str) -> Submission:
    """Take back what is not live."""
    return deciding.withdraw(wiring.market(), who, submission_id)
