"""Remove a submission from the queue."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.flea import queue
from agnes.kernel.principal import Principal

app = Function("flea-delete_submission")


@app.route("/api/admin/store/submissions/{submission_id}", methods=["DELETE"])
@endpoint(needs=Needs.ADMIN)
def delete_submission(who: Principal, submission_id: str) -> None:
    """Remove one that is not live, with its files; the entity and its other versions stay."""
    queue.remove(wiring.market(), who, submission_id)
