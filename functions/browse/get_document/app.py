"""A document of a curated plugin or of a flea entity, to be saved."""

import re
from pathlib import PurePosixPath

from agnes import wiring
from agnes.browse import service
from agnes.browse.inside import DOCUMENT_TYPES
from agnes.edge import Download, Function, Needs, Reply, endpoint
from agnes.flea import listing
from agnes.kernel.principal import Principal

app = Function("browse-get_document")


@app.route("/api/marketplace/curated/{slug}/{plugin}/doc/{path}", methods=["GET"])
@endpoint(needs=Needs.LOGIN, reads=service.FILES, ahead=service.ahead)
def get_document(who: Principal, slug: str, plugin: str, path: str) -> Reply:
    """Download a document; its path in the plugin is one segment, with `%2F` for each slash."""
    body = service.document(wiring.state(), wiring.store(), who, marketplace_id=slug, plugin=plugin, path=path)
    return _saved(body, path)


@app.route("/api/store/entities/{entity_id}/docs/{path}", methods=["GET"])
@endpoint(needs=Needs.LOGIN, reads=service.FILES, ahead=service.ahead)
def get_entity_document(who: Principal, entity_id: str, path: str) -> Reply:
    """Download a document of what somebody shared; its path is one segment, too."""
    with wiring.state().read("flea") as db:
        own = listing.document(db, wiring.store(), who, entity_id, path)
    if own is not None and own.body is not None:
        return _saved(own.body, own.filename)
    return _saved(service.entity_document(wiring.state(), wiring.store(), who, entity_id=entity_id, path=path), path)


def _saved(body: bytes, path: str) -> Reply:
    name = PurePosixPath(path)
    return Download(
        body,
        filename=re.sub(r"[^A-Za-z0-9._-]", "_", name.name),
        content_type=DOCUMENT_TYPES[name.suffix.lower()],
        headers={"Content-Security-Policy": "default-src 'none'; sandbox"},
    )
