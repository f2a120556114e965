"""The page to sign in, and its second step."""

from pydantic import BaseModel, ConfigDict

from agnes import wiring
from agnes.accounts.pages import CodePage, LoginPage
from agnes.accounts.rules import local_path
from agnes.edge import Function, Needs, Redirect, Reply, Request, page, second_step
from agnes.kernel.principal import Principal

app = Function("accounts-page_login")


class LoginQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    next: str = ""
    error: str = ""
    step: str = ""


@app.route("/login", methods=["GET"])
@page(needs=Needs.PUBLIC, query=LoginQuery)
def page_login(who: Principal | None, query: LoginQuery, request: Request) -> LoginPage | CodePage | Reply:
    """Sign in; who is signed in already goes on, and who owes a code is asked for it."""
    way_back = local_path(query.next, otherwise=wiring.config().agnes_home_route)
    if who is not None:
        return Redirect(wiring.settings().base_path + way_back)
    if query.step == "code" and second_step.pending(request) is not None:
        return CodePage(way_back, query.error)
    return LoginPage(next=way_back, error=query.error, providers=wiring.provider_labels())
