"""One's own personal access tokens."""

from agnes import wiring
from agnes.accounts import tokens
from agnes.accounts.model import Token
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal

app = Function("accounts-get_tokens")


@app.route("/auth/tokens", methods=["GET"])
@endpoint(needs=Needs.LOGIN)
def get_tokens(who: Principal) -> list[Token]:
    """List one's own tokens, newest first."""
    with wiring.state().read("people") as db:
        return tokens.mine(db, wiring.store(), who)


@app.route("/auth/tokens/{token_id}", methods=["GET"])
@endpoint(needs=Needs.LOGIN)
def get_token(who: Principal, token_id: str) -> Token:
    """One of one's own tokens."""
    with wiring.state().read("people") as db:
        return tokens.get(db, wiring.store(), who, token_id)
