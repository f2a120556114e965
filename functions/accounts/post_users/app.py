"""Create an account."""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from agnes import wiring
from agnes.accounts import links, users
from agnes.accounts.model import User
from agnes.edge import Function, Needs, endpoint, mail
from agnes.kernel.principal import Principal

app = Function("accounts-post_users")


class UserCreate(BaseModel):
    model_config = ConfigDict(extra="forbid")

    email: str
    name: str = ""
    """The address's local part if blank."""
    send_invite: bool = False
    """Also make a link by which they choose a password, and mail it if mail is configured."""


@dataclass(frozen=True, slots=True)
class CreatedUser(User):
    """The account; with `send_invite` also the link that invites its owner."""

    invite_url: str | None = None
    invite_email_sent: bool | None = None


@app.route("/api/users", methods=["POST"])
@endpoint(needs=Needs.ADMIN, body=UserCreate, status=201)
def post_users(who: Principal, body: UserCreate) -> CreatedUser:
    """Create an account; it cannot sign in before it has a password."""
    state, now = wiring.state(), wiring.clock().now()
    user = users.create(state, who, email=body.email, name=body.name, now=now)
    fields = {name: getattr(user, name) for name in User.__dataclass_fields__}
    if not body.send_invite:
        return CreatedUser(**fields)
    link = links.create(state, who, user.id, "invitation", now=now)
    sent = mail.send_link(link, by=who.name or who.email)
    return CreatedUser(**fields, invite_url=sent.url, invite_email_sent=sent.is_sent)
