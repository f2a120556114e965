"""What Claude Code is told in a workspace of this person."""

from pydantic import BaseModel

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.profile import welcome
from agnes.tables.model import FILE

app = Function("profile-get_welcome")


class Welcome(BaseModel):
    """`claude_md` is the text of the workspace's CLAUDE.md."""

    claude_md: str


@app.route("/api/welcome", methods=["GET"])
@endpoint(needs=Needs.LOGIN, reads=(FILE,))
def get_welcome(who: Principal) -> Welcome:
    """Give the CLAUDE.md of a workspace: how to use this installation, and the tables that were granted to you."""
    settings = wiring.settings()
    text = welcome.claude_md(wiring.state(), who, name=settings.agnes_instance_name, server=settings.base_url)
    return Welcome(claude_md=text)
