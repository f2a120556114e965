"""Grants of domains to groups: the access domain keeps them, this says which domains there are to grant."""

from __future__ import annotations

from datetime import datetime

from agnes.access import grants
from agnes.access.model import MEMORY_DOMAIN, Grant
from agnes.kernel.errors import NotFoundError
from agnes.kernel.principal import Principal
from agnes.knowledge.context import Knowledge


class DomainNotFound(NotFoundError):
    code = "domain_not_found"

    def __init__(self, domain: str, known: tuple[str, ...]) -> None:
        super().__init__(
            f"there is no domain {domain[:60]!r} of knowledge",
            hint=f"The domains are: {', '.join(known)}. An operator sets them as KNOWLEDGE_DOMAINS.",
        )


def grant(k: Knowledge, who: Principal, *, group_id: str, domain: str, now: datetime) -> Grant:
    """Open what is distributed of a domain to a group.

    Raises BadRequestError `bad_resource_id`, DomainNotFound, NotFoundError `group_not_found`, ConflictError `grant_exists`.
    """
    who.require_admin()
    domain = grants.check_id(MEMORY_DOMAIN, domain)
    if domain not in k.rules.domains:
        raise DomainNotFound(domain, k.rules.domains)
    return grants.create(k.state, who, group_id=group_id, resource_type=MEMORY_DOMAIN, resource_id=domain, now=now)
