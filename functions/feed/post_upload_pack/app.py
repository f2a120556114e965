"""A fetch from marketplace.git."""

from agnes import wiring
from agnes.edge import Function, Needs, Reply, Request
from agnes.edge.git import git_endpoint, plain_body, protocol_version
from agnes.feed import service, upload_pack
from agnes.kernel.principal import Principal
from agnes.kernel.scopes import Scope

app = Function("feed-post_upload_pack")


@app.route("/marketplace.git/git-upload-pack", methods=["POST"])
@git_endpoint(needs=Needs.BASIC, scope=Scope.FEED, reads=service.STATE_FILES, ahead=service.ahead)
def post_upload_pack(who: Principal, request: Request) -> Reply:
    """Answer git's negotiation with the pack that it lacks."""
    store = wiring.store()
    feed = service.feed_of(wiring.state(), store, who, clock=wiring.clock())
    service.ask_for_rebuild(feed, store, wiring.queue, now=wiring.clock().now())
    repository = service.repository_of(store, feed.view, feed.blocked)
    body = upload_pack.answer(plain_body(request), repository, version=protocol_version(request))
    return Reply(body=body, content_type=upload_pack.RESULT, headers={"Cache-Control": "no-cache"})
