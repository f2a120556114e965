"""Take all transcripts of a person away."""

from pydantic import BaseModel, ConfigDict, Field

from agnes import wiring
from agnes.accounts import service as accounts
from agnes.edge import Function, Needs, Reply, endpoint, handed
from agnes.kernel.principal import Principal
from agnes.telemetry.drill_down import downloads
from agnes.telemetry.drill_down.viewing import Viewer

app = Function("telemetry-get_user_archive")


class Which(BaseModel):
    """`part`: a large stock comes in several archives, numbered from 1."""

    model_config = ConfigDict(extra="forbid")

    part: int | None = Field(None, ge=1, le=100_000)


@app.route("/api/admin/users/{user_id}/sessions/download-all", methods=["GET"])
@endpoint(needs=Needs.ADMIN, query=Which, reads=("telemetry",))
def get_user_archive(who: Principal, user_id: str, query: Which) -> Reply:
    """Download all transcripts of a person as a ZIP; a large one comes by redirection to a presigned URL."""
    with wiring.state().read("people") as db:
        email = accounts.get_user(db, user_id).email
    taken = downloads.archive(
        wiring.state(),
        wiring.store(),
        Viewer(who),
        user_id=user_id,
        email=email,
        part=query.part,
        clock=wiring.clock(),
    )
    return handed(taken)
