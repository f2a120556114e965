"""The page of one session, and the one that asks before it is removed."""

from pydantic import BaseModel, ConfigDict, Field

from agnes import wiring
from agnes.accounts import service as accounts
from agnes.edge import Function, Needs, page
from agnes.kernel.errors import NotFoundError
from agnes.kernel.principal import Principal
from agnes.telemetry.drill_down.session_pages import (
    PiecePage,
    RedactPage,
    SessionLinks,
    SessionPage,
    piece_page,
    session_page,
)
from agnes.telemetry.drill_down.viewing import PartQuery, Viewer
from agnes.telemetry.keys import transcript_id

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


@app.route("/admin/sessions/{user_id}/{session_id}/redact", methods=["GET"])
@page(needs=Needs.ADMIN)
def page_question(_who: Principal, user_id: str, session_id: str) -> RedactPage:
    """Ask whether one session is to go."""
    which = transcript_id(user_id, session_id)
    return RedactPage(SessionLinks(False, which.user_id, which.session_id), _email(user_id))


def _email(user_id: str) -> str:
    """Sessions outlive their account."""
    with wiring.state().read("people") as db:
        try:
            return accounts.get_user(db, user_id).email
        except NotFoundError:
            return user_id
