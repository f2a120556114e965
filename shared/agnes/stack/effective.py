"""The effective access of a user: what they were granted, and what they are served of it with the reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from agnes.access import service as access
from agnes.access.model import AccessItem
from agnes.accounts import service as accounts
from agnes.kernel.ports import Clock, ObjectStore
from agnes.kernel.principal import Principal
from agnes.kernel.state import Db, State
from agnes.marketplace import granting
from agnes.stack import service as stack
from agnes.stack.entitlement import Entitlement
from agnes.stack.model import ReasonKind
from agnes.stack.plugins import DecidedBy
from agnes.stack.serving import serving_index
from agnes.trees import damage

FILES = stack.FILES
SPARED = ("flea", "stack")
NOT_KNOWN = {
    "stack": "What they are served cannot be worked out: the state file `stack` is damaged. What they were granted is whole.",
    "flea": "What they added from the flea market is left out: its state file is damaged.",
}
"""State file → what is said where it cannot be read."""


@dataclass(frozen=True, slots=True)
class GrantedVia:
    """A grant that reaches a plugin."""

    group_id: str
    group_name: str
    granted: str
    """Id of the granted resource: the plugin, or its marketplace."""
    required: bool


@dataclass(frozen=True, slots=True)
class NotServed:
    """Why a user is not served something."""

    code: ReasonKind
    message: str
    about: str
    """The other thing that it is about, such as what has the name; empty if there is none."""


@dataclass(frozen=True, slots=True)
class EntitlementLine:
    """How a user is to one plugin of a marketplace, or one entity of the flea market."""

    resource_id: str
    """`<slug>/<plugin>`, or the entity's id."""
    source: Literal["curated", "flea"]
    origin: str
    """The marketplace's slug, or the owner's user name."""
    name: str
    served: bool
    granted_by: tuple[GrantedVia, ...]
    system: bool
    required: bool
    added_at: datetime | None
    """When they added it to their stack."""
    dependency_of: tuple[str, ...]
    """What is served and needs it."""
    only_as_dependency: bool
    """They lose it with the last of those."""
    version: str
    decided_by: DecidedBy | None
    """What decided the version; none where nothing is served."""
    version_reason: str
    """Why this version, where most people get another one."""
    reason: NotServed | None
    """Why it is not served; none where it is."""


@dataclass(frozen=True, slots=True)
class UserAccess:
    """What a user may see and is served. Admins administer everything, but are served only what others are, too."""

    is_admin: bool
    items: tuple[AccessItem, ...]
    """What was granted to their groups."""
    entitlements: tuple[EntitlementLine, ...]
    """Every plugin that a marketplace lists, and what else they were granted or added; in the order of their feed."""
    notices: tuple[str, ...]
    """What could not be worked out, and why."""


def effective_access(state: State, store: ObjectStore, user_id: str, *, clock: Clock) -> UserAccess:
    """Raises NotFoundError."""
    damaged = damage.known(store, clock)
    with state.read(*FILES, spare=SPARED) as db:
        spared = state.spared
        granted = granting.effective_access(db, user_id)
        lines = () if "stack" in spared else lines_of(db, accounts.principal_of(db, user_id), damaged)
    notices = tuple(text for file, text in NOT_KNOWN.items() if file in spared)
    return UserAccess(granted.is_admin, granted.items, tuple(lines), notices)


def lines_of(db: Db, who: Principal, damaged: Mapping[str, str]) -> list[EntitlementLine]:
    """Nothing of a disabled account, which is served nothing."""
    if not accounts.get_user(db, who.user_id).active:
        return []
    on = serving_index(db, who.group_ids).without(damaged)
    names = dict(access.group_names(db))
    return [_line(one, names) for one in stack.entitlements(db, who, on)]


def _line(one: Entitlement, names: Mapping[str, str]) -> EntitlementLine:
    reason = one.version_reason
    return EntitlementLine(
        resource_id=one.key,
        source=one.source,
        origin=one.origin,
        name=one.name,
        served=one.is_served,
        granted_by=tuple(
            GrantedVia(grant.group_id, names.get(grant.group_id, ""), grant.granted, grant.is_required)
            for grant in one.granted_by
        ),
        system=one.is_system,
        required=one.is_required,
        added_at=one.added_at,
        dependency_of=one.required_by,
        only_as_dependency=one.is_served and not one.is_own,
        version=one.version,
        decided_by=one.decided_by,
        version_reason=reason.text(names.get(reason.group_id, "")) if reason else "",
        reason=NotServed(one.reason.kind, one.reason.text, one.reason.about) if one.reason else None,
    )
