"""Ask where to PUT a transcript."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.kernel.scopes import Scope
from agnes.telemetry.transcripts import uploads

app = Function("telemetry-post_presign")


class Declared(BaseModel):
    """What will be PUT: `size_bytes` and `sha256` are of the compressed bytes."""

    model_config = ConfigDict(extra="forbid")

    session_id: str
    agent_id: str | None = None
    size_bytes: int = Field(gt=0)
    sha256: str
    encoding: Literal["zstd"] = "zstd"


@app.route("/api/upload/sessions/presign", methods=["POST"])
@endpoint(needs=Needs.LOGIN, scope=Scope.PUSH, body=Declared)
def post_presign(who: Principal, body: Declared) -> uploads.Presigned:
    """Where to PUT a transcript of any size, as one zstd frame."""
    return uploads.presign(
        wiring.store(),
        wiring.signing_keys(),
        who,
        session_id=body.session_id,
        agent_id=body.agent_id,
        size_bytes=body.size_bytes,
        sha256=body.sha256,
        now=wiring.clock().now(),
        keep_all=wiring.settings().transcripts_keep_all,
        limits=wiring.quotas(),
    )
