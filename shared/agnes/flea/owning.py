"""What owners do with what they share, beside offering versions: archive it and bring it back, remove it, give it to a colleague."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from agnes.accounts import service as accounts
from agnes.flea import notices, repository
from agnes.flea.deciding import open_of
from agnes.flea.market import Market
from agnes.flea.model import APPROVED, ARCHIVED, HIDDEN, PENDING, Entity, Submission
from agnes.flea.moving import move
from agnes.flea.service import EntityNotFound
from agnes.flea.submitting import NameTaken, owned
from agnes.flea.transitions import LABELS, Event, Status, allowed
from agnes.kernel.errors import BadRequestError, ConflictError, DeniedError
from agnes.kernel.principal import Principal
from agnes.kernel.state import Change, Db, Tx


class HardDeleteIsAdmins(DeniedError):
    code = "hard_delete_admin_only"

    def __init__(self) -> None:
        super().__init__("only admins remove what others may have", hint="Archive it, or ask an admin.")


class QuarantinedStays(DeniedError):
    code = "quarantined_owner_cannot_delete"

    def __init__(self) -> None:
        super().__init__(
            "what an admin or a check took out of the market stays as evidence", hint="Appeal, or ask an admin."
        )


@dataclass(frozen=True, slots=True)
class Version:
    """A version as its owner sees it."""

    submission_id: str
    n: int
    version: str
    status: str
    label: str
    """The word for its status."""
    is_live: bool
    can_restore: bool
    can_withdraw: bool
    can_appeal: bool
    reason: str
    changes: str
    size_bytes: int
    file_count: int
    sha256: str
    created_at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class Owned:
    """An entity on its owner's page."""

    entity: Entity
    label: str
    """Active, Pending, Blocked, Archived: the word for its status."""
    todo: str
    """What the owner can do now; empty if there is nothing to do."""
    waiting: Version | None
    """The version that somebody has still to decide about, or that was refused after the live one."""
    versions: list[Version]


def mine(db: Db, who: Principal) -> list[Owned]:
    """What one person shares, the newest first."""
    found = repository.entities_of(db, who.user_id)
    by_entity: dict[str, list[Submission]] = {}
    for one in repository.submissions_by(db, who.user_id, limit=5_000):
        by_entity.setdefault(one.entity_id, []).append(one)
    return [described(entity, by_entity.get(entity.id, [])) for entity in found]


def one_of_mine(db: Db, who: Principal, entity_id: str) -> Owned:
    """Raises EntityNotFound for what is another's."""
    entity = repository.find(db, entity_id)
    if entity is None or (entity.owner_user_id != who.user_id and not who.is_admin):
        raise EntityNotFound(entity_id)
    return described(entity, repository.submissions_of(db, entity_id))


def described(entity: Entity, submissions: Sequence[Submission]) -> Owned:
    """`submissions` are the entity's, in any order."""
    newest_first = sorted(submissions, key=lambda one: -one.n)
    versions = [_version(one, entity) for one in newest_first]
    newest = versions[0] if versions else None
    waiting = newest if newest is not None and not newest.is_live and newest.status != Status.WITHDRAWN else None
    label = {APPROVED: "Active", PENDING: "Pending", HIDDEN: "Blocked", ARCHIVED: "Archived"}[entity.status]
    if entity.status == PENDING and newest is not None and newest.status not in (Status.PENDING_LLM, Status.HELD):
        label = newest.label
    return Owned(entity, label, _todo(entity, waiting), waiting, versions)


def archive(market: Market, who: Principal, entity_id: str) -> Entity:
    """End new installs and keep the existing ones; what waits is withdrawn. Again changes nothing.

    Raises EntityNotFound, NotOwner, QuarantinedStays.
    """
    now = market.clock.now()
    entity, _ = owned(market.state, who, entity_id)
    if entity.status == HIDDEN and not who.is_admin:
        raise QuarantinedStays

    def change(tx: Tx) -> None:
        before = _require(tx, entity_id)
        if before.status == ARCHIVED:
            return
        waiting = open_of(repository.submissions_of(tx.db, entity_id))
        if waiting is not None:
            move(tx, waiting, Event.WITHDRAW, at=now)
        repository.change_entity(
            tx.db, entity_id, {"status": ARCHIVED, "archived_at": now, "archived_by": who.email, "updated_at": now}
        )
        tx.record(
            Change(
                "store.entity.archive", f"store_entity:{entity_id}", {"name": before.name}, {"status": before.status}
            )
        )

    market.state.commit("flea", change)
    return _now(market, entity_id)


def unarchive(market: Market, who: Principal, entity_id: str) -> Entity:
    """Offer it again, as it was. Raises EntityNotFound, NotOwner, NameTaken where its name is another's now."""
    now = market.clock.now()
    owned(market.state, who, entity_id)

    def change(tx: Tx) -> None:
        before = _require(tx, entity_id)
        if before.status != ARCHIVED:
            return
        holder = repository.with_name(
            tx.db, owner_id=before.owner_user_id, name=before.name, served_name=before.served_name
        )
        if holder is not None and holder.id != entity_id:
            raise NameTaken(before.name, is_own=holder.owner_user_id == before.owner_user_id)
        status = APPROVED if before.tree_id else PENDING
        if before.held_reason:
            status = HIDDEN
        repository.change_entity(
            tx.db, entity_id, {"status": status, "archived_at": None, "archived_by": None, "updated_at": now}
        )
        tx.record(Change("store.entity.unarchive", f"store_entity:{entity_id}", {"name": before.name}))

    market.state.commit("flea", change)
    return _now(market, entity_id)


def remove(market: Market, who: Principal, entity_id: str, *, hard: bool) -> None:
    """Archive it; `hard`, or of what was never live by its owner: remove it with its versions. Trees and pictures go with the next
    sweep, since others may have the same bytes. Raises EntityNotFound, NotOwner, HardDeleteIsAdmins, QuarantinedStays."""
    now = market.clock.now()
    entity, _ = owned(market.state, who, entity_id)
    was_live = entity.tree_id is not None
    if hard and not who.is_admin:
        raise HardDeleteIsAdmins
    if not hard and (was_live or who.is_admin):
        archive(market, who, entity_id)
        return
    if not hard and entity.status == HIDDEN:
        raise QuarantinedStays

    def change(tx: Tx) -> None:
        before = _require(tx, entity_id)
        if not hard and before.tree_id is not None:  # it was approved meanwhile
            raise ConflictError("it was approved meanwhile", code="entity_changed", hint="Archive it instead.")
        repository.remove_entity(tx.db, entity_id)
        tx.record(
            Change(
                "store.entity.hard_delete",
                f"store_entity:{entity_id}",
                {"name": before.name, "owner": before.owner_user_id},
                {"status": before.status, "tree_id": before.tree_id},
            )
        )
        if before.owner_user_id != who.user_id:
            text = f"{before.name} was removed by an admin."
            notices.put(tx.db, before.owner_user_id, "removed", text, url="/store/mine", at=now)

    market.state.commit("flea", change)


def transfer(market: Market, who: Principal, entity_id: str, email: str) -> Entity:
    """Give it to another person, who then answers for it. Its served name stays, so that nobody who has it notices.

    Raises EntityNotFound, NotOwner, BadRequestError `unknown_recipient`, NameTaken.
    """
    now = market.clock.now()
    owned(market.state, who, entity_id)
    with market.state.read("people") as db:
        person = accounts.find_user_by_email(db, email.strip().lower())
    if person is None or not person.active:
        raise BadRequestError(
            "there is no active account with this address",
            code="unknown_recipient",
            hint="Check the address.",
            errors=[{"field": "email", "reason": "no active account has it"}],
        )

    def change(tx: Tx) -> None:
        before = _require(tx, entity_id)
        if before.owner_user_id == person.id:
            return
        holder = repository.with_name(tx.db, owner_id=person.id, name=before.name)
        if holder is not None:
            raise NameTaken(before.name, is_own=False)
        repository.change_entity(tx.db, entity_id, {"owner_user_id": person.id, "updated_at": now})
        tx.record(
            Change(
                "store.entity.transfer",
                f"store_entity:{entity_id}",
                {"to": person.id},
                {"owner": before.owner_user_id},
            )
        )
        text = f"{who.email} gave {before.name} to you: you answer for it now."
        notices.put(tx.db, person.id, "transfer", text, url=f"/store/mine/{entity_id}", at=now, entity_id=entity_id)

    market.state.commit("flea", change)
    return _now(market, entity_id)


def _version(one: Submission, entity: Entity) -> Version:
    is_live = entity.submission_id == one.id
    events = allowed(one.status)
    return Version(
        one.id,
        one.n,
        one.version,
        one.status,
        LABELS.get(one.status, one.status),
        is_live,
        can_restore=not is_live and one.went_live_at is not None and one.tree_id is not None
        and one.status != Status.QUARANTINED,
        can_withdraw=Event.WITHDRAW in events,
        can_appeal=Event.APPEAL in events and one.tree_id is not None and not one.appeal,
        reason=one.status_reason or one.reason,
        changes=one.changes,
        size_bytes=one.size_bytes,
        file_count=one.file_count,
        sha256=one.sha256,
        created_at=one.created_at,
        by=one.submitter_email,
    )  # fmt: skip


_TODO = {
    Status.PENDING_LLM: "Nothing: its review takes a few minutes. You are notified when it is done.",
    Status.HELD: "Nothing: an admin reviews it. You are notified of the decision.",
    Status.BLOCKED_INLINE: "Correct what was found and share it again, or appeal if it is wrong.",
    Status.BLOCKED_LLM: "Correct what was found and share it again, or appeal if it is wrong.",
    Status.REVIEW_ERROR: "Admins were notified. Share it again, or ask an admin to review it.",
    Status.REJECTED: "Read the reason, correct it and share it again, or appeal.",
    Status.QUARANTINED: "It is served to nobody. Share a corrected version, restore an earlier one, or appeal.",
}


def _todo(entity: Entity, waiting: Version | None) -> str:
    if waiting is not None:
        return _TODO.get(Status(waiting.status), "")
    if entity.status == HIDDEN:
        return _TODO[Status.QUARANTINED]
    return ""


def _require(tx: Tx, entity_id: str) -> Entity:
    found = repository.find(tx.db, entity_id)
    if found is None:
        raise EntityNotFound(entity_id)
    return found


def _now(market: Market, entity_id: str) -> Entity:
    with market.state.read("flea") as db:
        found = repository.find(db, entity_id)
    if found is None:
        raise EntityNotFound(entity_id)
    return found
