"""The zip of a person's view, by presigned URL."""

from agnes import wiring
from agnes.edge import Function, Needs, Redirect, Reply, Request, endpoint
from agnes.feed import service
from agnes.kernel.principal import Principal
from agnes.kernel.scopes import Scope

app = Function("feed-get_zip")


@app.route("/marketplace.zip", methods=["GET"])
@endpoint(needs=Needs.BASIC, scope=Scope.FEED, reads=service.STATE_FILES, ahead=service.ahead)
def get_zip(who: Principal, request: Request) -> Reply:
    """Redirect to the zip of your marketplace; 304 when you have it."""
    store = wiring.store()
    held = request.headers.get("if-none-match", "")
    feed, url = service.zip_of(wiring.state(), store, who, clock=wiring.clock(), if_none_match=held)
    service.ask_for_rebuild(feed, store, wiring.queue, now=wiring.clock().now())
    headers = {"ETag": service.etag(feed.view), "Cache-Control": "private, no-cache"}
    if url is None:
        return Reply(status=304, headers=headers)
    found = Redirect(url, status=302)
    return Reply(status=302, headers={**found.headers, **headers})
