"""What the owner of a submission may do about it."""

from pydantic import BaseModel, ConfigDict, Field

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.flea import deciding
from agnes.flea.model import Submission
from agnes.kernel.principal import Principal

app = Function("flea-post_appeal")


class OwnersAct(BaseModel):
    """`reason` is needed to appeal; admins read it."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field("", max_length=2000)


@app.route("/api/store/submissions/{submission_id}/{act}", methods=["POST"])
@endpoint(needs=Needs.LOGIN, body=OwnersAct)
def post_act(who: Principal, submission_id: str, act: str, body: OwnersAct) -> Submission:
    """Take back what is not live (withdraw), or ask an admin to look at what was blocked or rejected (appeal)."""
    return deciding.act(wiring.market(), who, submission_id, act, body.reason)
