"""Ask where to PUT a file that is too large for a form."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.flea import uploads
from agnes.kernel.principal import Principal

app = Function("flea-post_upload")


class UploadDeclared(BaseModel):
    """What will be PUT."""

    model_config = ConfigDict(extra="forbid")

    filename: str = Field(min_length=1, max_length=200)
    size_bytes: int = Field(gt=0)
    sha256: str
    kind: Literal["archive", "bundle"] = "archive"


@app.route("/api/store/uploads", methods=["POST"])
@endpoint(needs=Needs.LOGIN, body=UploadDeclared, status=201)
def post_upload(who: Principal, body: UploadDeclared) -> uploads.Presigned:
    """Where to PUT an archive; name its `upload_id` in the form that shares it."""
    if body.kind == "bundle":
        who.require_admin()
    return uploads.presign(
        wiring.store(),
        wiring.signing_keys(),
        who,
        filename=body.filename,
        size_bytes=body.size_bytes,
        sha256=body.sha256,
        limit=uploads.limit_of(body.kind),
    )
