"""The page of one session."""

from pydantic import BaseModel, ConfigDict, Field

from agnes import wiring
from agnes.edge import Function, Needs, page
from agnes.kernel.principal import Principal
from agnes.telemetry.drill_down.session_pages import PiecePage, SessionPage, piece_page, session_page
from agnes.telemetry.drill_down.viewing import PartQuery, Viewer

app = Function("telemetry-page_session")


class TranscriptRange(BaseModel):
    model_config = ConfigDict(extra="forbid")

    start: int = Field(0, ge=0, le=100_000_000)


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
