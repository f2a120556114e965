"""Make a personal access token."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from agnes import wiring
from agnes.accounts import tokens
from agnes.accounts.model import NewToken
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal

app = Function("accounts-post_tokens")


class TokenWish(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    expires_in_days: int | None = 90
    """null: never."""
    ttl_seconds: int | None = None
    scope: Literal["general", "bootstrap-analyst"] = "general"


@app.route("/auth/tokens", methods=["POST"])
@endpoint(needs=Needs.PERSON, body=TokenWish, status=201)
def post_tokens(who: Principal, body: TokenWish) -> NewToken:
    """Make a token; the answer is the only place that ever shows it."""
    return tokens.create(wiring.state(), who, **body.model_dump(), now=wiring.clock().now())
