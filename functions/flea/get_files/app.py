"""The files of what is shared: its live version, and its picture."""

from pydantic import BaseModel

from agnes import wiring
from agnes.edge import Function, Needs, Reply, endpoint
from agnes.flea import listing
from agnes.flea.listing import StoredFile
from agnes.kernel.principal import Principal
from agnes.marketplace.assets import IMMUTABLE

app = Function("flea-get_files")


class Files(BaseModel):
    files: list[StoredFile]


@app.route("/api/store/entities/{entity_id}/files", methods=["GET"])
@endpoint(needs=Needs.LOGIN, reads=("flea",))
def get_files(who: Principal, entity_id: str) -> Files:
    """List the files of the live version."""
    with wiring.state().read("flea") as db:
        return Files(files=listing.files(db, wiring.store(), who, entity_id))


@app.route("/api/store/entities/{entity_id}/photo", methods=["GET"])
@endpoint(needs=Needs.LOGIN, reads=("flea",))
def get_photo(who: Principal, entity_id: str) -> Reply:
    """Show its picture; the URL that pages have changes with it."""
    with wiring.state().read("flea") as db:
        found = listing.photo(db, wiring.store(), who, entity_id)
    return Reply(
        body=found.body,
        content_type=found.content_type,
        headers={"Cache-Control": IMMUTABLE, "Content-Security-Policy": "default-src 'none'; sandbox"},
    )
