"""A picture of a plugin's page."""

from agnes import wiring
from agnes.edge import Function, Needs, Reply, endpoint
from agnes.kernel.errors import UnsupportedError
from agnes.kernel.principal import Principal
from agnes.marketplace import assets
from agnes.stack import service as stack

app = Function("marketplace-get_asset")


@app.route("/api/marketplace/curated/{slug}/{plugin}/asset/{key}", methods=["GET"])
@endpoint(needs=Needs.LOGIN, reads=stack.ASSET_FILES)
def get_asset(who: Principal, slug: str, plugin: str, key: str) -> Reply:
    """The cover of a plugin, a skill or an agent, as its curator put it into the repository."""
    with wiring.state().read(*stack.ASSET_FILES) as db:
        asset = stack.find_asset(db, who, slug, plugin, key)
    if not asset.content_type.startswith("image/"):
        raise UnsupportedError("this is a document, not a picture", hint="Fetch it from `document`.")
    headers = {"Cache-Control": assets.IMMUTABLE, "Content-Security-Policy": "default-src 'none'"}
    return Reply(body=assets.read(wiring.store(), asset), content_type=asset.content_type, headers=headers)
