"""The page to sign in."""

from pydantic import BaseModel, ConfigDict

from agnes import wiring
from agnes.accounts.pages import HOME, LoginPage
from agnes.accounts.rules import local_path
from agnes.edge import Function, Needs, Redirect, page
from agnes.edge.reply import Reply
from agnes.kernel.principal import Principal

app = Function("accounts-page_login")


class LoginQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    next: str = ""
    error: str = ""


@app.route("/login", methods=["GET"])
@page(needs=Needs.PUBLIC, query=LoginQuery)
def page_login(who: Principal | None, query: LoginQuery) -> LoginPage | Reply:
    """Sign in; who is signed in already goes on."""
    way_back = local_path(query.next, otherwise=HOME)
    if who is not None:
        return Redirect(wiring.settings().base_path + way_back)
    return LoginPage(next=way_back, error=query.error, providers=wiring.provider_labels())
