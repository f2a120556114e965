"""Take a transcript away."""

from pydantic import BaseModel, ConfigDict, Field

from agnes import wiring
from agnes.edge import Function, Needs, Reply, endpoint, handed
from agnes.kernel.principal import Principal
from agnes.telemetry.drill_down import downloads
from agnes.telemetry.drill_down.viewing import Viewer

app = Function("telemetry-get_session_download")


class Which(BaseModel):
    """`agent_id`: the transcript of that subagent instead of the main one."""

    model_config = ConfigDict(extra="forbid")

    agent_id: str | None = Field(None, max_length=64)


@app.route("/api/admin/sessions/{user_id}/{session_id}/download", methods=["GET"])
@app.route("/api/admin/users/{user_id}/sessions/{session_id}/download", methods=["GET"])
@endpoint(needs=Needs.ADMIN, query=Which)
def get_session_download(who: Principal, user_id: str, session_id: str, query: Which) -> Reply:
    """Download a transcript as `.jsonl`; a large one comes by redirection to a presigned URL."""
    taken = downloads.download(
        wiring.store(),
        Viewer(who),
        user_id=user_id,
        session_id=session_id,
        agent_id=query.agent_id,
        clock=wiring.clock(),
    )
    return handed(taken)
