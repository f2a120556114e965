"""Read what was said in a session, or take its transcript away."""

from agnes import wiring
from agnes.edge import Function, Needs, Reply, endpoint, handed
from agnes.kernel.principal import Principal
from agnes.telemetry.drill_down import downloads, viewing
from agnes.telemetry.drill_down.conversation import Excerpt

app = Function("telemetry-get_transcript")


@app.route("/api/admin/sessions/{user_id}/{session_id}/transcript", methods=["GET"])
@endpoint(needs=Needs.ADMIN, query=viewing.PartQuery, reads=("telemetry",))
def get_transcript(who: Principal, user_id: str, session_id: str, query: viewing.PartQuery) -> viewing.Transcript:
    """A session's summary and its events in their order, subagents' among them, a part at a time."""
    return viewing.transcript(
        wiring.state(),
        wiring.store(),
        viewing.Viewer(who),
        user_id=user_id,
        session_id=session_id,
        query=query,
        now=wiring.clock().now(),
    )


@app.route("/api/admin/sessions/{user_id}/{session_id}/transcript/{piece_id}", methods=["GET"])
@endpoint(needs=Needs.ADMIN, query=viewing.TranscriptRange)
def get_piece(who: Principal, user_id: str, session_id: str, piece_id: str, query: viewing.TranscriptRange) -> Excerpt:
    """One event with up to 200,000 characters of its text, from `start` on."""
    return viewing.excerpt(
        wiring.store(),
        viewing.Viewer(who),
        user_id=user_id,
        session_id=session_id,
        piece_id=piece_id,
        start=query.start,
        now=wiring.clock().now(),
    )


@app.route("/api/admin/sessions/{user_id}/{session_id}/download", methods=["GET"])
@app.route("/api/admin/users/{user_id}/sessions/{session_id}/download", methods=["GET"])
@endpoint(needs=Needs.ADMIN, query=downloads.DownloadQuery)
def get_session_download(who: Principal, user_id: str, session_id: str, query: downloads.DownloadQuery) -> Reply:
    """Download a transcript as `.jsonl`; a large one comes by redirection to a presigned URL."""
    taken = downloads.download(
        wiring.store(),
        viewing.Viewer(who),
        user_id=user_id,
        session_id=session_id,
        agent_id=query.agent_id,
        clock=wiring.clock(),
    )
    return handed(taken)
