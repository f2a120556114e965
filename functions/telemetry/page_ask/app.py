"""The page to ask about usage on."""

from pydantic import BaseModel, ConfigDict

from agnes import wiring
from agnes.edge import Function, Needs, Request, page
from agnes.kernel.errors import AgnesError
from agnes.kernel.principal import Principal
from agnes.telemetry.ask import pages, service

app = Function("telemetry-page_ask")


class AskForm(BaseModel):
    """`history`: earlier turns as JSON; a new conversation has none."""

    model_config = ConfigDict(extra="forbid")

    question: str = ""
    history: str = ""


@app.route("/admin/ask", methods=["GET"])
@page(needs=Needs.ADMIN)
def page_ask(_who: Principal) -> pages.AskPage:
    """A box to ask in, and examples."""
    return pages.AskPage()


@app.route("/admin/ask", methods=["POST"])
@page(needs=Needs.ADMIN, body=AskForm, reads=("telemetry",))
def page_answer(_who: Principal, body: AskForm, request: Request) -> pages.AskPage:
    """The answer on the page, or why there is none, and a box for the next question."""
    earlier: tuple[service.Turn, ...] = ()
    try:
        earlier = pages.turns_of(body.history)
        asked = service.ask(
            wiring.state(),
            wiring.store(),
            wiring.language_model(),
            body.question,
            history=earlier,
            model_name=wiring.config().usage_ask_model,
            clock=wiring.clock(),
        )
    except AgnesError as error:
        return pages.in_trouble(error, body.question, earlier, request.id)
    return pages.AskPage(question=asked.question, asked=asked, earlier=earlier)
