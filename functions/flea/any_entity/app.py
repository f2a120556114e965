"""Offer a new version of what one shares, or take it off the market."""

from pydantic import BaseModel, ConfigDict

from agnes import wiring
from agnes.edge import Function, Needs, Request, endpoint
from agnes.flea import owning, submitting, uploads
from agnes.kernel.principal import Principal
from agnes.stack import entity_listing
from agnes.stack.entity_listing import EntityLine

app = Function("flea-any_entity")
PATH = "/api/store/entities/{entity_id}"


class RemoveQuery(BaseModel):
    """`hard` removes it with all its versions, from everybody's stack."""

    model_config = ConfigDict(extra="forbid")

    hard: bool = False


class Removed(BaseModel):
    ok: bool = True


@app.route(PATH, methods=["PUT"])
@endpoint(needs=Needs.LOGIN)
def put_entity(who: Principal, entity_id: str, request: Request) -> EntityLine:
    """Offer a new version: other files, other words, or both. What is live stays until it is approved. Multipart, as to share."""
    form = uploads.form_of(request.headers.get("content-type", ""), request.body)
    upload_id = form.text("upload_id")
    staged = uploads.read(wiring.store(), wiring.signing_keys(), who, upload_id) if upload_id else None
    entity = submitting.update(wiring.market(), who, entity_id, uploads.offer_of(form, staged))
    if staged is not None:
        wiring.store().remove([staged.key])
    return entity_listing.line_of(wiring.state(), entity)


@app.route(PATH, methods=["DELETE"])
@endpoint(needs=Needs.LOGIN, query=RemoveQuery)
def delete_entity(who: Principal, entity_id: str, query: RemoveQuery) -> Removed:
    """Archive it: who has it keeps it. What was never approved is removed."""
    owning.remove(wiring.market(), who, entity_id, hard=query.hard)
    return Removed()
