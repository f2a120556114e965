"""The page of a session of one's own, and the one that asks before it is removed."""

from agnes import wiring
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

app = Function("telemetry-page_my_session")


@app.route("/me/sessions/{session_id}", methods=["GET"])
@page(needs=Needs.LOGIN, query=PartQuery, reads=("telemetry",))
def page_my_session(who: Principal, session_id: str, query: PartQuery) -> SessionPage:
    """A session as a conversation, a part at a time."""
    return session_page(
        wiring.state(),
        wiring.store(),
        Viewer(who, as_owner=True),
        user_id=who.user_id,
        session_id=session_id,
        query=query,
        now=wiring.clock().now(),
    )


@app.route("/me/sessions/{session_id}/pieces/{piece_id}", methods=["GET"])
@page(needs=Needs.LOGIN, query=TranscriptRange)
def page_piece(who: Principal, session_id: str, piece_id: str, query: TranscriptRange) -> PiecePage:
    """One thing that was said, whole."""
    return piece_page(
        wiring.store(),
        Viewer(who, as_owner=True),
        user_id=who.user_id,
        session_id=session_id,
        piece_id=piece_id,
        start=query.start,
        now=wiring.clock().now(),
    )


@app.route("/me/sessions/{session_id}/redact", methods=["GET"])
@page(needs=Needs.LOGIN)
def page_question(who: Principal, session_id: str) -> RedactPage:
    """Ask."""
    which = transcript_id(who.user_id, session_id)
    return RedactPage(SessionLinks(True, which.user_id, which.session_id), who.email)
