"""Share something new."""

from agnes import wiring
from agnes.edge import Function, Needs, Request, endpoint
from agnes.flea import submitting, uploads
from agnes.kernel.principal import Principal
from agnes.stack import entity_listing
from agnes.stack.entity_listing import EntityLine

app = Function("flea-post_entity")


@app.route("/api/store/entities", methods=["POST"])
@endpoint(needs=Needs.LOGIN, status=201)
def post_entity(who: Principal, request: Request) -> EntityLine:
    """Share a skill, an agent or a plugin; it is in the market once it was reviewed. Multipart: `file` or `upload_id`, and `type`,
    `name`, `description`, `category`, `video_url`, `photo`, `docs`, `audience`, `audience_groups`, `changes`."""
    form = uploads.form_of(request.headers.get("content-type", ""), request.body)
    upload_id = form.text("upload_id")
    staged = uploads.read(wiring.store(), wiring.signing_keys(), who, upload_id) if upload_id else None
    entity = submitting.create(wiring.market(), who, uploads.offer_of(form, staged))
    if staged is not None:
        wiring.store().remove([staged.key])
    return entity_listing.line_of(wiring.state(), entity)
