"""The zip of a person's view, by presigned URL."""

from agnes import wiring
from agnes.edge import Function, Needs, Redirect, Reply, Request, endpoint
from agnes.feed import service
from agnes.kernel.principal import Principal

app = Function("feed-get_zip")


@app.route("/marketplace.zip", methods=["GET"])
@endpoint(needs=Needs.GIT)
def get_zip(who: Principal, request: Request) -> Reply:
    """Redirect to the zip of your marketplace; 304 when you have it."""
    store = wiring.store()
    view = service.feed_of(wiring.state(), store, who).view
    headers = {"ETag": service.etag(view), "Cache-Control": "private, no-cache"}
    if service.matches(request.headers.get("if-none-match", ""), view):
        return Reply(status=304, headers=headers)
    found = Redirect(service.zip_url(store, view, now=wiring.clock().now()), status=302)
    return Reply(status=302, headers={**found.headers, **headers})
