"""Upload a transcript by form."""

from agnes import wiring
from agnes.edge import Function, Needs, Request, endpoint
from agnes.kernel.principal import Principal
from agnes.kernel.scopes import Scope
from agnes.telemetry.transcripts import form, uploads

app = Function("telemetry-post_sessions")


@app.route("/api/upload/sessions", methods=["POST"])
@endpoint(needs=Needs.LOGIN, scope=Scope.PUSH)
def post_sessions(who: Principal, request: Request) -> uploads.Uploaded:
    """Take a session's transcript, up to 4 MB, as the multipart field `file`."""
    filename, body = form.file_of(request.headers.get("content-type", ""), request.body)
    return uploads.accept(
        wiring.store(),
        who,
        filename=filename,
        body=body,
        now=wiring.clock().now(),
        keep_all=wiring.settings().transcripts_keep_all,
        limits=wiring.quotas(),
    )
