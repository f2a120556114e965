"""One submission of the Flea market, and the decision about it."""

from agnes import wiring
from agnes.admin import flea_pages
from agnes.admin.flea_pages import DecisionForm, FleaSubmissionPage
from agnes.edge import Done, Function, Needs, form, page
from agnes.kernel.principal import Principal

app = Function("admin-page_submission")
PATH = "/admin/store/submissions/{submission_id}"


@app.route(PATH, methods=["GET"])
@page(needs=Needs.ADMIN, reads=("flea",))
def page_submission(who: Principal, submission_id: str) -> FleaSubmissionPage:
    """Show its findings, what it changes and what it gains."""
    return flea_pages.submission_page(wiring.market(), who, submission_id)


@app.route(PATH, methods=["POST"])
@form(needs=Needs.ADMIN, body=DecisionForm, page=page_submission)
def post_submission(who: Principal, submission_id: str, body: DecisionForm) -> Done:
    """Decide, and go on to the next one."""
    return Done(*flea_pages.decide(wiring.market(), who, submission_id, body))
