"""Make a personal access token."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from agnes import wiring
from agnes.accounts import tokens
from agnes.accounts.model import NewToken
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.kernel.scopes import Scope, scope_of

app = Function("accounts-post_tokens")


class TokenCreate(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    expires_in_days: int | None = 90
    """null: never."""
    ttl_seconds: int | None = None
    scope: Literal["full", "read", "feed", "push", "bootstrap-analyst", "scim", "general"] = "full"
    """What the token opens; `general` is an older word for `full`."""


@app.route("/auth/tokens", methods=["POST"])
@endpoint(needs=Needs.PERSON, body=TokenCreate, status=201)
def post_tokens(who: Principal, body: TokenCreate) -> NewToken:
    """Make a token; the answer is the only place that ever shows it."""
    return tokens.create(
        wiring.state(),
        who,
        name=body.name,
        expires_in_days=body.expires_in_days,
        ttl_seconds=body.ttl_seconds,
        scope=scope_of(body.scope) or Scope.FULL,
        now=wiring.clock().now(),
    )
