"""Say that a transcript was PUT."""

from pydantic import BaseModel, ConfigDict

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.kernel.scopes import Scope
from agnes.telemetry.transcripts import uploads

app = Function("telemetry-post_complete")


class Finished(BaseModel):
    model_config = ConfigDict(extra="forbid")

    upload_id: str


@app.route("/api/upload/sessions/complete", methods=["POST"])
@endpoint(needs=Needs.LOGIN, scope=Scope.PUSH, body=Finished)
def post_complete(who: Principal, body: Finished) -> uploads.Completed:
    """Check and publish an upload; the same call again gives the same answer."""
    return uploads.complete(
        wiring.store(),
        wiring.signing_keys(),
        who,
        body.upload_id,
        now=wiring.clock().now(),
        keep_all=wiring.settings().transcripts_keep_all,
        limits=wiring.quotas(),
    )
