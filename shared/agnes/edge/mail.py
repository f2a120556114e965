"""Messages by mail: templates/email/<message>/ has subject.txt, body.txt and body.html of each."""

from __future__ import annotations

import logging
from typing import Any

from agnes import wiring
from agnes.edge.render import environment
from agnes.kernel.errors import UnavailableError
from agnes.kernel.mail import Mail

log = logging.getLogger("agnes.edge.mail")


def compose(message: str, to: str, **values: Any) -> Mail:
    """A message, rendered. `values` are what its templates name."""
    env = environment()
    shown = {"base_url": wiring.settings().base_url, "to": to, **values}

    def part(name: str) -> str:
        return env.get_template(f"email/{message}/{name}").render(**shown).strip() + "\n"

    return Mail(to, " ".join(part("subject.txt").split()), part("body.txt"), part("body.html"))


def send(message: str, to: str, **values: Any) -> bool:
    """Send a message if this installation sends mail; whether the mail server took it."""
    mailer = wiring.mailer()
    if not mailer.is_on:
        return False
    try:
        mailer.send(compose(message, to, **values))
    except UnavailableError as exc:
        log.warning("%s", exc.message, extra={"code": exc.code, "mail": message})
        return False
    return True
