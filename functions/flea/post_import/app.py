"""Bring entities of another installation."""

from typing import Literal, cast

from agnes import wiring
from agnes.edge import Function, Needs, Request, endpoint
from agnes.flea import bundles, uploads
from agnes.flea.bundles import Imported
from agnes.kernel.errors import BadRequestError
from agnes.kernel.principal import Principal

app = Function("flea-post_import")


@app.route("/api/store/import-bundle", methods=["POST"])
@endpoint(needs=Needs.ADMIN)
def post_import(who: Principal, request: Request) -> Imported:
    """Offer each entity of a bundle as its owner's upload. Multipart: `file` or `upload_id`, and `mode` merge, replace or skip."""
    form = uploads.form_of(request.headers.get("content-type", ""), request.body)
    mode = form.text("mode") or "merge"
    if mode not in ("merge", "replace", "skip"):
        raise BadRequestError(f"{mode[:40]!r} is no mode", code="invalid_mode", hint="One of merge, replace, skip.")
    upload_id = form.text("upload_id")
    staged = uploads.read(wiring.store(), wiring.signing_keys(), who, upload_id) if upload_id else None
    body = staged.body if staged else uploads.offer_of(form).body
    if not body:
        raise BadRequestError("there is no file", code="missing_file", hint="Send a bundle.")
    found = bundles.load(wiring.market(), who, body, cast("Literal['merge', 'replace', 'skip']", mode))
    if staged is not None and not found.left:
        wiring.store().remove([staged.key])
    return found
