"""Taking back grants, where what is granted is a plugin."""

from __future__ import annotations

from agnes.access import grants as revoking
from agnes.access import service as access
from agnes.kernel.errors import ConflictError
from agnes.kernel.principal import Principal
from agnes.kernel.state import State
from agnes.marketplace import repository
from agnes.marketplace.model import RESOURCE_TYPE

FILES = ("people", "marketplace")


class SystemGrantLocked(ConflictError):
    code = "cannot_revoke_system_grant"

    def __init__(self, resource_id: str) -> None:
        super().__init__(
            f"{resource_id} is a system plugin, which everybody has",
            hint="Make it an ordinary plugin first; its grants then decide who may have it.",
        )


def revoke(state: State, who: Principal, grant_id: str) -> None:
    """Take a grant back. What people subscribed to stays, and is not served without a grant.

    A system plugin's grants do nothing while it is one, and decide again when it no longer is: who
    takes one away must see that. Raises NotFoundError, SystemGrantLocked.
    """
    who.require_admin()
    with state.read(*FILES) as db:
        grant = next((g for g in access.grants(db, resource_type=RESOURCE_TYPE) if g.id == grant_id), None)
        if grant is not None:
            marketplace_id, _, name = grant.resource_id.partition("/")
            plugin = repository.find_plugin(db, marketplace_id, name)
            if plugin is not None and plugin.is_system:
                raise SystemGrantLocked(grant.resource_id)
    revoking.delete(state, who, grant_id)
