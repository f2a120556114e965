"""A link by which somebody sets a new password."""

from dataclasses import dataclass

from agnes import wiring
from agnes.accounts import links
from agnes.edge import Function, Needs, endpoint, mail
from agnes.kernel.principal import Principal

app = Function("accounts-post_user_reset")


@dataclass(frozen=True, slots=True)
class ResetLink:
    reset_url: str
    email_sent: bool


@app.route("/api/users/{user_id}/reset-password", methods=["POST"])
@endpoint(needs=Needs.ADMIN)
def post_reset(who: Principal, user_id: str) -> ResetLink:
    """Make a reset link and mail it; it works once, for a day."""
    link = links.create(wiring.state(), who, user_id, "reset", now=wiring.clock().now())
    sent = mail.send_link(link, by=who.name or who.email)
    return ResetLink(sent.url, sent.is_sent)
