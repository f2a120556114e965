"""A document of a plugin's page."""

from agnes import wiring
from agnes.edge import Download, Function, Needs, Reply, endpoint
from agnes.kernel.errors import UnsupportedError
from agnes.kernel.principal import Principal
from agnes.marketplace import assets

app = Function("marketplace-get_doc")


@app.route("/api/marketplace/curated/{slug}/{plugin}/document/{key}", methods=["GET"])
@endpoint(needs=Needs.LOGIN)
def get_doc(who: Principal, slug: str, plugin: str, key: str) -> Reply:
    """A PDF, Markdown or text file to be saved."""
    with wiring.state().read(*assets.FILES) as db:
        asset = assets.get(db, wiring.store(), who, (slug, plugin), key)
    if asset.content_type.startswith("image/"):
        raise UnsupportedError("this is a picture, not a document", hint="Fetch it from `asset`.")
    headers = {"Cache-Control": assets.IMMUTABLE, "Content-Security-Policy": "default-src 'none'"}
    return Download(asset.body, filename=asset.filename, content_type=asset.content_type, headers=headers)
