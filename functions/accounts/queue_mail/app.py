"""Mail a link to who asked for one."""

from typing import Any

from agnes import wiring
from agnes.accounts import links
from agnes.edge import Function, queue_job
from agnes.edge.mail import of_link

app = Function("accounts-queue_mail")


@app.lambda_function()
@queue_job("accounts.mail")
def run(body: dict[str, Any]) -> None:
    """Nothing is sent where there is no such account. A mail server that is away has the message come again."""
    link = links.ask(wiring.state(), str(body["email"]), body["purpose"], now=wiring.clock().now())
    if link is not None:
        wiring.mailer().send(of_link(link))
