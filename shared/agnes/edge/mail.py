"""Messages by mail: templates/email/<message>/ has subject.txt, body.txt and body.html of each."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from agnes import wiring
from agnes.edge.formats import minute
from agnes.edge.render import environment
from agnes.kernel.errors import UnavailableError
from agnes.kernel.mail import Mail

if TYPE_CHECKING:
    from agnes.accounts.links import NewLink

log = logging.getLogger("agnes.edge.mail")


def compose(message: str, to: str, **values: Any) -> Mail:
    """A message, rendered. `values` are what its templates name."""
    env = environment()
    shown = {
        "base_url": wiring.settings().base_url,
        "brand": wiring.config().agnes_instance_brand,
        "to": to,
        **values,
    }

    def part(name: str) -> str:
        return env.get_template(f"email/{message}/{name}").render(**shown).strip() + "\n"

    return Mail(to, " ".join(part("subject.txt").split()), part("body.txt"), part("body.html"))


@dataclass(frozen=True, slots=True)
class SentLink:
    """`is_sent`: whether the mail server took it; where it did not, whoever made the link hands it over."""

    url: str
    is_sent: bool


def of_link(link: NewLink, *, by: str = "") -> Mail:
    """The message with a link. `by` is who made it; empty where a person asked themselves."""
    url = link.url(wiring.settings().base_url)
    return compose(link.purpose, link.email, url=url, expires=minute(link.expires_at), by=by)


def send_link(link: NewLink, *, by: str) -> SentLink:
    """Mail a link, if this installation sends mail."""
    url, mailer = link.url(wiring.settings().base_url), wiring.mailer()
    if not mailer.is_on:
        return SentLink(url, is_sent=False)
    try:
        mailer.send(of_link(link, by=by))
    except UnavailableError as exc:
        log.warning("%s", exc.message, extra={"code": exc.code, "mail": link.purpose})
        return SentLink(url, is_sent=False)
    return SentLink(url, is_sent=True)


def send_digests(*, now: datetime, dry_run: bool) -> dict[str, int]:
    """Mail what nobody has read about what they share; how many messages and lines. What a mail server does not take is tried
    again by the next run."""
    from agnes.flea import upkeep

    mailer, state = wiring.mailer(), wiring.state()
    waiting = upkeep.digests(state, now=now) if mailer.is_on else []
    report = {"people": len(waiting), "notices": sum(len(one.notices) for one in waiting), "failed": 0}
    sent = []
    for one in [] if dry_run else waiting:
        try:
            mailer.send(compose("flea_digest", one.to, name=one.name or one.to, lines=one.notices))
        except UnavailableError as exc:
            log.warning("%s", exc.message, extra={"code": exc.code, "mail": "flea_digest"})
            report["failed"] += 1
            continue
        upkeep.mark_mailed(state, one, now=now)
        sent.append(one)
    if sent:
        upkeep.mark_admins_mailed(state, sent, now=now)
    return report
