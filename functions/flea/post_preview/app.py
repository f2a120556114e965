"""Look at what would be shared."""

from agnes import wiring
from agnes.edge import Function, Needs, Request, endpoint
from agnes.flea import preparing, uploads
from agnes.kernel.principal import Principal

app = Function("flea-post_preview")


@app.route("/api/store/entities/preview", methods=["POST"])
@endpoint(needs=Needs.LOGIN)
def post_preview(who: Principal, request: Request) -> preparing.Preview:
    """Read and check an archive as sharing it would, and store nothing. Multipart: `file` or `upload_id`, and `type`."""
    form = uploads.form_of(request.headers.get("content-type", ""), request.body)
    upload_id = form.text("upload_id")
    staged = uploads.read(wiring.store(), wiring.signing_keys(), who, upload_id) if upload_id else None
    return preparing.preview(wiring.market(), who, uploads.offer_of(form, staged))
