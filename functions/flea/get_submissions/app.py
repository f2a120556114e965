"""The queue of the Flea market, for admins."""

from agnes import wiring
from agnes.edge import Download, Function, Needs, Reply, endpoint
from agnes.flea import deciding, queue
from agnes.flea.queue import QueuePage, QueueQuery, SubmissionDetail
from agnes.kernel.principal import Principal

app = Function("flea-get_submissions")
PATH = "/api/admin/store/submissions"


@app.route(PATH, methods=["GET"])
@endpoint(needs=Needs.ADMIN, query=QueueQuery, reads=("flea",))
def get_submissions(_who: Principal, query: QueueQuery) -> QueuePage:
    """List submissions, those that need somebody first."""
    with wiring.state().read("flea") as db:
        return queue.page(db, query)


@app.route(PATH + "/{submission_id}", methods=["GET"])
@endpoint(needs=Needs.ADMIN, reads=("flea",))
def get_submission(who: Principal, submission_id: str) -> SubmissionDetail:
    """Describe one: its findings, what it changes and gains against the live version, and its submitter's other ones."""
    return queue.detail(wiring.market(), who, submission_id)


@app.route(PATH + "/{submission_id}/bundle.zip", methods=["GET"])
@endpoint(needs=Needs.ADMIN, reads=("flea",))
def get_bundle(who: Principal, submission_id: str) -> Reply:
    """Download its files; the audit says who did."""
    filename, body = deciding.bundle(wiring.market(), who, submission_id)
    return Download(body, filename=filename, content_type="application/zip")
