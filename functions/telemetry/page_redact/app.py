"""Remove sessions for good; of all of a person, after a page that asks."""

from agnes import wiring
from agnes.accounts import service as accounts
from agnes.edge import Function, Needs, page
from agnes.kernel.errors import NotFoundError
from agnes.kernel.principal import Principal
from agnes.knowledge import redacting
from agnes.telemetry.drill_down.session_pages import RedactPage, SessionLinks

app = Function("telemetry-page_redact")


@app.route("/admin/sessions/{user_id}/{session_id}/redact", methods=["POST"])
@page(needs=Needs.ADMIN)
def page_done(_who: Principal, user_id: str, session_id: str) -> RedactPage:
    """Remove one session for good."""
    done = redacting.redact_session(wiring.state(), wiring.store(), user_id, session_id, clock=wiring.clock())
    return RedactPage(SessionLinks(False, done.user_id, done.sessions[0]), _email(user_id), done)


@app.route("/admin/users/{user_id}/redact", methods=["GET"])
@page(needs=Needs.ADMIN)
def page_question_of_all(_who: Principal, user_id: str) -> RedactPage:
    """Ask whether all sessions of a person are to go."""
    with wiring.state().read("people") as db:
        return RedactPage(SessionLinks(False, user_id, ""), accounts.get_user(db, user_id).email)


@app.route("/admin/users/{user_id}/redact", methods=["POST"])
@page(needs=Needs.ADMIN)
def page_all_done(_who: Principal, user_id: str) -> RedactPage:
    """Remove all sessions of a person for good."""
    with wiring.state().read("people") as db:
        email = accounts.get_user(db, user_id).email
    done = redacting.redact_user(wiring.state(), wiring.store(), user_id, clock=wiring.clock())
    return RedactPage(SessionLinks(False, done.user_id, ""), email, done)


def _email(user_id: str) -> str:
    """Sessions outlive their account."""
    with wiring.state().read("people") as db:
        try:
            return accounts.get_user(db, user_id).email
        except NotFoundError:
            return user_id
