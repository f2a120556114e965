"""Ask about usage in words."""

from pydantic import BaseModel, ConfigDict, Field

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.telemetry.ask import service

app = Function("telemetry-post_ask")


class EarlierTurn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    question: str
    sql: str


class Question(BaseModel):
    """`history`: earlier turns of the conversation, oldest first, five at most."""

    model_config = ConfigDict(extra="forbid")

    question: str
    history: list[EarlierTurn] = Field(default=[])


@app.route("/api/admin/usage/ask", methods=["POST"])
@app.route("/api/admin/telemetry/ask", methods=["POST"])
@endpoint(needs=Needs.ADMIN, body=Question, reads=("telemetry",))
def post_ask(_who: Principal, body: Question) -> service.Asked:
    """Have SQL written for a question, run over usage figures only, and get both; SQL that is not run says why."""
    return service.ask(
        wiring.state(),
        wiring.store(),
        wiring.language_model(),
        body.question,
        history=[service.Turn(turn.question, turn.sql) for turn in body.history],
        model_name=wiring.config().usage_ask_model,
        clock=wiring.clock(),
    )
