"""Report something that is wrong with what somebody shares: by the API, and on a page."""

from pydantic import BaseModel, ConfigDict, Field

from agnes import wiring
from agnes.edge import Done, Function, Needs, endpoint, form, page
from agnes.flea import deciding, pages
from agnes.flea.pages import ReportPage
from agnes.kernel.principal import Principal

app = Function("flea-page_report")


class EntityReport(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: str = Field(max_length=2000)
    """What is wrong with it."""


class Reported(BaseModel):
    reports: int
    """How many people have."""


@app.route("/api/store/entities/{entity_id}/report", methods=["POST"])
@endpoint(needs=Needs.LOGIN, body=EntityReport)
def post_report(who: Principal, entity_id: str, body: EntityReport) -> Reported:
    """Tell the admins what is wrong with it; enough reports take it out of the market until one has looked."""
    return Reported(reports=deciding.complain(wiring.market(), who, entity_id, body.reason))


@app.route("/store/report/{entity_id}", methods=["GET"])
@page(needs=Needs.LOGIN, reads=("flea",))
def page_report(who: Principal, entity_id: str) -> ReportPage:
    """Ask what is wrong with it."""
    with wiring.state().read("flea") as db:
        return pages.report_page(db, who, entity_id)


@app.route("/store/report/{entity_id}", methods=["POST"])
@form(needs=Needs.LOGIN, body=EntityReport, page=page_report)
def post_report_page(who: Principal, entity_id: str, body: EntityReport) -> Done:
    """The same by the form."""
    deciding.complain(wiring.market(), who, entity_id, body.reason)
    return Done(f"/marketplace/flea/{entity_id}", "Thank you: the admins were told.")
