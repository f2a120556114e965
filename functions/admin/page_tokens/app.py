"""Access tokens of everybody."""

from agnes import wiring
from agnes.admin import token_page
from agnes.admin.token_page import TokenForm, TokensPage, TokensQuery
from agnes.edge import Done, Function, Needs, form, page
from agnes.kernel.principal import Principal

app = Function("admin-page_tokens")


@app.route("/admin/tokens", methods=["GET"])
@page(needs=Needs.ADMIN, query=TokensQuery)
def page_tokens(_who: Principal, query: TokensQuery) -> TokensPage:
    """List tokens with owner, lifetime and last use."""
    return token_page.tokens_page(wiring.state(), wiring.store(), query, now=wiring.clock().now())


@app.route("/admin/tokens", methods=["POST"])
@form(needs=Needs.ADMIN, body=TokenForm, page=page_tokens)
def post_token(who: Principal, body: TokenForm) -> Done:
    """Revoke a token."""
    return Done(token_page.PATH, token_page.revoke(wiring.state(), who, body, now=wiring.clock().now()))
