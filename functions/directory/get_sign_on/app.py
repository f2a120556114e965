"""Send a browser to an identity provider."""

from pydantic import BaseModel, ConfigDict, Field

from agnes import wiring
from agnes.accounts.pages import HOME
from agnes.accounts.rules import local_path
from agnes.directory import sign_on_pages
from agnes.directory.model import ProviderKey
from agnes.edge import Function, Needs, Redirect, Reply, page
from agnes.kernel.errors import AgnesError
from agnes.kernel.principal import Principal

app = Function("directory-get_sign_on")


class SignOnQuery(BaseModel):
    model_config = ConfigDict(extra="ignore")

    next: str = Field("", max_length=2000)


@app.route("/auth/google/login", methods=["GET"])
@page(needs=Needs.PUBLIC, query=SignOnQuery)
def get_google(_who: Principal | None, query: SignOnQuery) -> Reply:
    """Sign in with Google."""
    return _begin("google", query)


@app.route("/auth/oidc/login", methods=["GET"])
@page(needs=Needs.PUBLIC, query=SignOnQuery)
def get_oidc(_who: Principal | None, query: SignOnQuery) -> Reply:
    """Sign in with the organisation's OpenID Connect provider."""
    return _begin("oidc", query)


def _begin(key: ProviderKey, query: SignOnQuery) -> Reply:
    settings = wiring.settings()
    way_on = local_path(query.next, otherwise=HOME)
    try:
        begun = sign_on_pages.begin(
            wiring.provider(key),
            wiring.discovery(),
            wiring.signing_keys(),
            base_url=settings.base_url,
            way_on=way_on,
            now=wiring.clock().now(),
        )
    except AgnesError as refused:
        return Redirect(settings.base_path + sign_on_pages.refused_path(refused, way_on), status=302)
    cookie = sign_on_pages.cookie(begun, base_path=settings.base_path, secure=settings.secure_cookies)
    return Redirect(begun.url, status=302, cookies=(cookie,))
