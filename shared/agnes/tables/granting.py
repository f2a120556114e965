"""Grants of tables to groups: the access domain keeps them, this says which tables there are to grant."""

from __future__ import annotations

from difflib import get_close_matches

from agnes.access import grants
from agnes.access import service as access
from agnes.access.model import Grant
from agnes.kernel.ports import Clock
from agnes.kernel.principal import Principal
from agnes.kernel.state import Db, State
from agnes.tables import repository
from agnes.tables.model import FILE, RESOURCE_TYPE, TableNotFound


def grant(state: State, who: Principal, *, group_id: str, table_id: str, clock: Clock) -> Grant:
    """Raises BadRequestError `bad_resource_id`, TableNotFound, NotFoundError `group_not_found`, ConflictError `grant_exists`."""
    who.require_admin()
    table_id = grants.check_id(RESOURCE_TYPE, table_id)
    _require(state, table_id)
    made = grants.create(
        state, who, group_id=group_id, resource_type=RESOURCE_TYPE, resource_id=table_id, now=clock.now()
    )
    try:  # grants are in another state file: one must not wait for whoever registers that id next
        _require(state, table_id)
    except TableNotFound:
        grants.delete_where(state, who, lambda each: each.id == made.id)
        raise
    return made


def revoke_all(state: State, who: Principal, table_id: str) -> None:
    """Take back every grant of a table, in one commit."""
    grants.delete_where(state, who, lambda each: each.resource_type == RESOURCE_TYPE and each.resource_id == table_id)


def granted(db: Db, who: Principal) -> dict[str, frozenset[str]]:
    """Table → the groups of this person that it was granted to; `db` has `people`."""
    found: dict[str, set[str]] = {}
    for group_id, rows in access.grants_by_group(db, [RESOURCE_TYPE], who.group_ids).items():
        for _, table_id in rows:
            found.setdefault(table_id, set()).add(group_id)
    return {table_id: frozenset(groups) for table_id, groups in found.items()}


def _require(state: State, table_id: str) -> None:
    with state.read(FILE) as db:
        if repository.find_table(db, table_id) is None:
            near = get_close_matches(table_id, repository.table_ids(db), n=3, cutoff=0.75)
            error = TableNotFound(table_id)
            if near:
                error.hint = f"Did you mean {' or '.join(near)}?"
            raise error
