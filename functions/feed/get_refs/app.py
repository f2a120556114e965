"""The refs of marketplace.git, which git asks for first."""

from agnes import wiring
from agnes.edge import Function, Needs, Reply, Request
from agnes.edge.git import git_endpoint, protocol_version, refuse_push
from agnes.feed import service, upload_pack
from agnes.kernel.principal import Principal
from agnes.kernel.scopes import Scope

app = Function("feed-get_refs")


@app.route("/marketplace.git/info/refs", methods=["GET"])
@git_endpoint(needs=Needs.BASIC, scope=Scope.FEED)
def get_refs(who: Principal, request: Request) -> Reply:
    """Advertise the one branch; pushing is refused by name."""
    if request.query.get("service") != ["git-upload-pack"]:
        refuse_push()
    if protocol_version(request) == 2:  # says what can be asked; the commit is asked for next
        body = upload_pack.advertise_capabilities()
    else:
        body = upload_pack.advertise_refs(
            service.feed_of(wiring.state(), wiring.store(), who, clock=wiring.clock()).view.commit
        )
    return Reply(body=body, content_type=upload_pack.ADVERTISEMENT, headers={"Cache-Control": "no-cache"})
