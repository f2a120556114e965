"""The page of one session, and the one that asks before it is removed."""

from agnes import wiring
from agnes.accounts import directory
from agnes.edge import Function, Needs, page
from agnes.kernel.principal import Principal
from agnes.telemetry.drill_down.session_pages import (
    PiecePage,
    RedactPage,
    SessionLinks,
    SessionPage,
    piece_page,
    session_page,
)
from agnes.telemetry.drill_down.viewing import PartQuery, TranscriptRange, Viewer
from agnes.telemetry.keys import transcript_id

app = Function("telemetry-page_session")


@app.route("/admin/sessions/{user_id}/{session_id}", methods=["GET"])
@page(needs=Needs.ADMIN, query=PartQuery, reads=("telemetry",))
def page_session(who: Principal, user_id: str, session_id: str, query: PartQuery) -> SessionPage:
    """A session as a conversation, a part at a time."""
    return session_page(
        wiring.state(),
        wiring.store(),
        Viewer(who),
        user_id=user_id,
        session_id=session_id,
        query=query,
        now=wiring.clock().now(),
    )


@app.route("/admin/sessions/{user_id}/{session_id}/pieces/{piece_id}", methods=["GET"])
@page(needs=Needs.ADMIN, query=TranscriptRange)
def page_piece(who: Principal, user_id: str, session_id: str, piece_id: str, query: TranscriptRange) -> PiecePage:
    """One thing that was said, whole."""
    return piece_page(
        wiring.store(),
        Viewer(who),
        user_id=user_id,
        session_id=session_id,
        piece_id=piece_id,
        start=query.start,
        now=wiring.clock().now(),
    )


@app.route("/admin/sessions/{user_id}/{session_id}/redact", methods=["GET"])
@page(needs=Needs.ADMIN)
def page_question(_who: Principal, user_id: str, session_id: str) -> RedactPage:
    """Ask whether one session is to go."""
    which = transcript_id(user_id, session_id)
    with wiring.state().read("people") as db:
        return RedactPage(SessionLinks(False, which.user_id, which.session_id), directory.shown(db, user_id))
