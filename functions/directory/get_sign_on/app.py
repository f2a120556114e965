"""Send a browser to an identity provider."""

from pydantic import BaseModel, ConfigDict, Field

from agnes import wiring
from agnes.accounts.rules import local_path
from agnes.directory import sign_on_pages
from agnes.directory.model import provider_key
from agnes.edge import Function, Needs, Redirect, Reply, page
from agnes.kernel.errors import AgnesError
from agnes.kernel.principal import Principal

app = Function("directory-get_sign_on")


class SignOnQuery(BaseModel):
    model_config = ConfigDict(extra="ignore")

    next: str = Field("", max_length=2000)


@app.route("/auth/{provider}/login", methods=["GET"])
@page(needs=Needs.PUBLIC, query=SignOnQuery)
def get_sign_on(_who: Principal | None, provider: str, query: SignOnQuery) -> Reply:
    """Sign in with Google, or with the organisation's OpenID Connect provider."""
    settings = wiring.settings()
    way_on = local_path(query.next, otherwise=wiring.config().agnes_home_route)
    try:
        begun = sign_on_pages.begin(
            wiring.provider(provider_key(provider)),
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
