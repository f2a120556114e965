"""Take a transcript of one's own away."""

from agnes import wiring
from agnes.edge import Function, Needs, Reply, Request, endpoint, handed
from agnes.kernel.principal import Principal
from agnes.telemetry import keys
from agnes.telemetry.drill_down import downloads

app = Function("telemetry-get_my_session_file")


@app.route("/profile/sessions/{session_id}", methods=["GET"])
@endpoint(needs=Needs.LOGIN)
def get_my_session_file(who: Principal, session_id: str, request: Request) -> Reply:
    """Download a transcript of yours as `.jsonl`, or with `agent_id` a subagent's. Anything else there is not."""
    if request.query.keys() - {"agent_id"} or len(agents := request.query.get("agent_id", [""])) != 1:
        raise downloads.FileNotStored
    wanted = session_id if "/" not in session_id and "\\" not in session_id else ""
    taken = downloads.download_own(
        wiring.store(),
        who,
        session_id=keys.session_of(wanted),
        agent_id=agents[0] or None,
        clock=wiring.clock(),
    )
    return handed(taken)
