"""A document of a plugin's page."""

from agnes import wiring
from agnes.edge import Download, Function, Needs, Redirect, Reply, endpoint
from agnes.kernel.errors import UnsupportedError
from agnes.kernel.principal import Principal
from agnes.marketplace import assets
from agnes.marketplace.limits import MAX_INLINE_BYTES
from agnes.stack import service as stack

app = Function("marketplace-get_doc")


@app.route("/api/marketplace/curated/{slug}/{plugin}/document/{key}", methods=["GET"])
@endpoint(needs=Needs.LOGIN, reads=stack.ASSET_FILES)
def get_doc(who: Principal, slug: str, plugin: str, key: str) -> Reply:
    """A PDF, Markdown or text file to be saved."""
    with wiring.state().read(*stack.ASSET_FILES) as db:
        asset = stack.find_asset(db, who, slug, plugin, key)
    if asset.content_type.startswith("image/"):
        raise UnsupportedError("this is a picture, not a document", hint="Fetch it from `asset`.")
    if asset.size_bytes > MAX_INLINE_BYTES:
        return Redirect(assets.url(wiring.store(), asset, now=wiring.clock().now()), status=302)
    headers = {"Cache-Control": assets.IMMUTABLE, "Content-Security-Policy": "default-src 'none'"}
    return Download(
        assets.read(wiring.store(), asset), filename=asset.filename, content_type=asset.content_type, headers=headers
    )
