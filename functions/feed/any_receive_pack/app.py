"""Pushes to marketplace.git: refused for everybody."""

from agnes.edge import Function, Needs
from agnes.edge.git import git_endpoint, refuse_push
from agnes.kernel.principal import Principal
from agnes.kernel.scopes import Scope

app = Function("feed-any_receive_pack")


@app.route("/marketplace.git/git-receive-pack", methods=["POST"])
@git_endpoint(needs=Needs.BASIC, scope=Scope.FEED)
def post_receive_pack(who: Principal) -> None:  # noqa: ARG001 (whoever it is)
    """Say that the feed cannot be written."""
    refuse_push()
