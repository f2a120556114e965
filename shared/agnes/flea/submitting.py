"""Sharing: a preview that stores nothing, a new entity, a new version of one, an old version once more.

    1. read, recognise, bake and check: nothing is stored, every refusal says what to correct
    2. the tree, pictures, documents and the report, each under its content: harmless if nothing follows
    3. one commit: the entity (of a new one) and the submission
    4. a message to the reviewers; one that is lost is sent again by `flea.reap`

Whenever it dies, there is either nothing or all of step 3, and what is live is not touched by any of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from agnes.flea import checking, content, naming, offers, preparing, quotas, repository, trees_of
from agnes.flea.checking import Report
from agnes.flea.limits import (
    MAX_REASON_CHARACTERS,
)
from agnes.flea.market import Market, ReviewMode
from agnes.flea.model import PENDING, Entity, Submission
from agnes.flea.moving import decode_items, encode_items, move
from agnes.flea.offers import Offer
from agnes.flea.preparing import Prepared
from agnes.flea.service import EntityNotFound
from agnes.flea.transitions import OPEN, SERVABLE, Event
from agnes.kernel.calls import registered
from agnes.kernel.errors import (
    BadRequestError,
    ConflictError,
    DeniedError,
    NotFoundError,
)
from agnes.kernel.ids import new_ulid
from agnes.kernel.ports import Message, Queue
from agnes.kernel.principal import Principal
from agnes.kernel.state import Change, Db, State, Tx
from agnes.marketplace import assets
from agnes.trees import service as trees

QUEUE = "flea-review"
FILES = ("flea", "marketplace")


class NameTaken(ConflictError):
    code = "conflict_owner_name"

    def __init__(self, name: str, *, is_own: bool) -> None:
        whose = "you have shared something" if is_own else "somebody has shared something"
        super().__init__(
            f"{whose} as {name[:80]} already",
            code="conflict_owner_name" if is_own else "conflict_global_suffix",
            hint="Update that one, or choose another name.",
            errors=[{"field": "name", "reason": "this name is taken"}],
        )


class PriorVersionPending(ConflictError):
    code = "prior_version_pending"

    def __init__(self, submission_id: str) -> None:
        super().__init__(
            "an earlier version is still in review",
            hint="Wait for it, or withdraw it.",
            submission_id=submission_id,
        )


class NotOwner(DeniedError):
    """Not the owner's, and not an admin's."""

    code = "not_owner"

    def __init__(self, name: str) -> None:
        super().__init__(f"only its owner may change {name[:80]}", hint="Ask its owner, or an admin.")


def create(market: Market, who: Principal, offer: Offer, *, kind: str = "create") -> Entity:
    """Share something new; `kind` is `import` for what an admin brings along. Raises the errors of docs/flea-market.md, in the order in which they are listed there."""
    offers.require_type(offer.type)
    offers.require_words(who, offer)
    now = market.clock.now()
    _require_room(market.state, who.user_id, now, kind)
    found = preparing.read(offer)
    name = naming.check_name(offers.named(offer, found))
    with market.state.read(*FILES) as db:
        handle = preparing.handle_for(db, who)
    _require_free(market.state, who.user_id, "", name, naming.served_name(name, handle))
    handle = reserve_handle(market.state, who, now=now)
    prepared = preparing.prepared(market, offer, found, name=name, handle=handle, of=None)
    entity_id = new_ulid(now)
    audience, groups = offers.audience(offer)
    row = {
        "id": entity_id,
        "owner_user_id": who.user_id,
        "owner_username": handle,
        "type": prepared.type,
        "name": prepared.name,
        "served_name": prepared.served_name,
        "description": prepared.description,
        "category": prepared.category,
        "status": PENDING,
        "version": prepared.baked.version,
        "version_no": 1,
        "tree_id": None,
        "size_bytes": 0,
        "video_url": prepared.video_url,
        "photo": None,
        "docs": "[]",
        "audience": audience,
        "audience_groups": groups,
    }
    _submit(market, who, entity_id, prepared, kind=kind, changes=offer.changes, now=now, entity=row)
    return _now(market.state, entity_id)


def update(market: Market, who: Principal, entity_id: str, offer: Offer, *, kind: str = "update") -> Entity:
    """Offer a new version: other files, other words, or both. What is live stays as it is until this one is approved; only
    whom it is for changes at once, since that changes nothing that was checked.

    Raises EntityNotFound, NotOwner, BadRequestError `type_locked`, PriorVersionPending, and the errors of `create`.
    """
    now = market.clock.now()
    entity, live = owned(market.state, who, entity_id)
    if offer.type is not None and offer.type != entity.type:
        raise BadRequestError(f"this is a {entity.type}, and stays one", code="type_locked", hint="Share another one.")
    if offer.audience is not None:
        set_audience(market.state, who, entity, offer.audience, offer.audience_groups, now=now)
    given = (offer.body, offer.name, offer.description, offer.category, offer.video_url, offer.photo, offer.docs)
    if all(value is None for value in given) and not offer.clear_photo:
        return _now(market.state, entity_id)
    offers.require_words(who, offer)
    _require_nothing_open(market.state, entity_id)
    _require_room(market.state, who.user_id, now, kind)
    found = (
        preparing.read(replace(offer, type=entity.type))
        if offer.body is not None
        else preparing.stored(market, entity, live)
    )
    base = live or entity
    name = naming.check_name(offer.name or base.name)
    served = naming.served_name(name, entity.owner_username)
    _require_free(market.state, entity.owner_user_id, entity_id, name, served)
    filled = replace(
        offer,
        description=offers.kept(offer.description, base.description),
        category=offers.kept(offer.category, base.category),
        video_url=base.video_url if offer.video_url is None else offer.video_url,
    )
    prepared = preparing.prepared(market, filled, found, name=name, handle=entity.owner_username, of=(entity, live))
    _submit(market, who, entity_id, prepared, kind=kind, changes=offer.changes, now=now)
    return _now(market.state, entity_id)


def restore(market: Market, who: Principal, entity_id: str, n: int) -> Entity:
    """Offer an old version once more, as a new one, through the checks of today.

    Raises EntityNotFound, NotOwner, NotFoundError `version_not_found`, BadRequestError `already_current` or
    `version_not_approved`, PriorVersionPending, QuotaExceeded, ChecksFailed.
    """
    now = market.clock.now()
    entity, live = owned(market.state, who, entity_id)
    with market.state.read("flea") as db:
        old = next((one for one in repository.submissions_of(db, entity_id) if one.n == n), None)
    if old is None:
        raise VersionNotFound(entity.name, n)
    is_served = live is not None and live.id == old.id and entity.status != "hidden"
    if is_served:
        raise BadRequestError(f"version {n} is live", code="already_current", hint="Choose an earlier one.")
    if old.status not in SERVABLE or old.tree_id is None:
        raise BadRequestError(
            f"version {n} was not approved", code="version_not_approved", hint="Choose one that was live before."
        )
    _require_nothing_open(market.state, entity_id)
    _require_room(market.state, who.user_id, now, "restore")
    served = naming.served_name(old.name, entity.owner_username)
    _require_free(market.state, entity.owner_user_id, entity_id, old.name, served)
    files = trees_of.files(market.store, old.tree_id)
    found = content.unbaked(old.type, old.served_name, files)
    offer = Offer(description=old.description, category=old.category, video_url=old.video_url)
    pictures = trees_of.assets_of(old.photo), trees_of.assets_of(old.docs)
    of = (entity, live)
    prepared = preparing.prepared(
        market, offer, found, name=old.name, handle=entity.owner_username, of=of, pictures=pictures
    )
    _submit(market, who, entity_id, prepared, kind="restore", changes=f"Version {n} again.", now=now)
    return _now(market.state, entity_id)


class VersionNotFound(NotFoundError):
    code = "version_not_found"

    def __init__(self, name: str, n: int) -> None:
        super().__init__(f"{name[:64]} has no version {n}", hint="Look at its versions.")


def owned(state: State, who: Principal, entity_id: str) -> tuple[Entity, Submission | None]:
    """An entity that this person may change, and its live submission. Raises EntityNotFound, NotOwner."""
    with state.read("flea") as db:
        entity = repository.find(db, entity_id)
        if entity is None or not entity.is_visible_to(who):
            raise EntityNotFound(entity_id)
        if entity.owner_user_id != who.user_id and not who.is_admin:
            raise NotOwner(entity.name)
        live = repository.submission(db, entity.submission_id) if entity.submission_id else None
    return entity, live


def reserve_handle(state: State, who: Principal, *, now: datetime) -> str:
    """The person's handle, given for ever when they share for the first time."""
    with state.read("flea") as db:
        found = repository.handle_of(db, who.user_id)
    return found or state.commit("flea", give_handle(user_id=who.user_id, email=who.email, at=now))


@registered("flea.submitting.give_handle")
def give_handle(tx: Tx, *, user_id: str, email: str, at: datetime) -> str:
    found = repository.handle_of(tx.db, user_id)
    if found is None:
        found = naming.choose_handle(email, repository.handles(tx.db, but=user_id))
        repository.insert_handle(tx.db, user_id, found, at=at)
        tx.record(Change("store.handle.give", f"user:{user_id}", {"handle": found}))
    return found


def share_with(market: Market, who: Principal, entity_id: str, audience: str, groups: Sequence[str]) -> Entity:
    """Say whom an entity is for. Raises EntityNotFound, NotOwner, and as `set_audience` does."""
    entity, _ = owned(market.state, who, entity_id)
    set_audience(market.state, who, entity, audience, groups, now=market.clock.now())
    return _now(market.state, entity_id)


def set_audience(
    state: State, who: Principal, entity: Entity, audience: str, groups: Sequence[str], *, now: datetime
) -> None:
    """Say whom it is for. Raises BadRequestError `invalid_audience`."""
    wanted, ids = offers.audience(Offer(audience=audience, audience_groups=groups))
    if who.user_id == entity.owner_user_id and not who.is_admin and not set(ids) <= who.group_ids:
        raise DeniedError(
            "you may share with groups that you are in", code="not_your_group", hint="Choose one of your groups."
        )

    def change(tx: Tx) -> None:
        now_is = repository.find(tx.db, entity.id)
        if now_is is None:
            raise EntityNotFound(entity.id)
        if (now_is.audience, sorted(now_is.audience_groups)) == (wanted, ids):
            return
        repository.change_entity(tx.db, entity.id, {"audience": wanted, "audience_groups": ids, "updated_at": now})
        tx.record(
            Change(
                "store.entity.audience",
                f"store_entity:{entity.id}",
                {"audience": wanted, "groups": ids},
                {"audience": now_is.audience, "groups": list(now_is.audience_groups)},
            )
        )

    state.commit("flea", change)


def send(queue: Queue, submission_ids: Sequence[str]) -> None:
    """Ask for the review of submissions."""
    if submission_ids:
        queue.send([Message(QUEUE, {"submission_id": one}) for one in submission_ids])


@registered("flea.submitting.put_submission")
def put_submission(
    tx: Tx, *, submission: str, entity: str, event: str, items: str, why: str, action: str, at: datetime
) -> None:
    """Write a new version, and the entity of a first one. `submission` and `entity` are JSON of their rows.

    Everything that was looked at before is looked at again here, where nobody else can come between.
    """
    row, new = json.loads(submission), json.loads(entity) if entity else None
    entity_id = row["entity_id"]
    quotas.require_room(tx.db, row["submitter_id"], at, row["kind"])
    if new is not None:
        _refuse_taken(tx.db, new["owner_user_id"], "", new["name"], new["served_name"])
        repository.insert_entity(
            tx.db, {**new, "created_at": at, "updated_at": at, "released_at": None, "archived_at": None}
        )
    else:
        is_there = repository.find(tx.db, entity_id)
        if is_there is None:
            raise EntityNotFound(entity_id)
        _refuse_taken(tx.db, is_there.owner_user_id, entity_id, row["name"], row["served_name"])
        _refuse_open(tx.db, entity_id)
    row |= {"n": repository.last_number(tx.db, entity_id) + 1, "created_at": at, "updated_at": at}
    repository.insert_submission(tx.db, {**row, "status": ""})
    tx.record(
        Change(
            f"store.entity.{action}",
            f"store_entity:{entity_id}",
            {"submission_id": row["id"], "n": row["n"], "name": row["name"], "version": row["version"]},
        )
    )
    found = repository.submission(tx.db, row["id"])
    if found is not None:
        move(tx, found, Event(event), at=at, why=why, items=decode_items(items))


def _submit(
    market: Market,
    who: Principal,
    entity_id: str,
    prepared: Prepared,
    *,
    kind: str,
    changes: str,
    now: datetime,
    entity: Mapping[str, Any] | None = None,
) -> str:
    """Store a prepared version and commit its submission; its id."""
    store = market.store
    tree = trees.put(store, prepared.baked.files)
    for asset in (*((prepared.photo,) if prepared.photo else ()), *prepared.docs):
        assets.put(store, asset)
    report = checking.put(store, prepared.report)
    event, why = first_event(market.review, prepared.report, prepared.hold_reason)
    submission_id = new_ulid(now)
    row = {
        "id": submission_id,
        "entity_id": entity_id,
        "kind": kind,
        "status_reason": "",
        "hold_reason": prepared.hold_reason,
        "submitter_id": who.user_id,
        "submitter_email": who.email,
        "type": prepared.type,
        "name": prepared.name,
        "served_name": prepared.served_name,
        "description": prepared.description,
        "category": prepared.category,
        "video_url": prepared.video_url,
        "photo": trees_of.encode_asset(prepared.photo),
        "docs": trees_of.encode_assets(prepared.docs),
        "changes": " ".join(changes.split())[:MAX_REASON_CHARACTERS],
        "version": prepared.baked.version,
        "tree_id": tree.id,
        "sha256": tree.id,
        "size_bytes": tree.size_bytes,
        "file_count": len(tree.files),
        "risk": prepared.report.risk,
        "finding_count": len(prepared.report.findings),
        "gained": prepared.gained,
        "report_sha256": report,
        "rules": prepared.report.rules,
        "model": "",
        "cost_usd": 0.0,
        "attempts": 0,
        "lease_owner": "",
        "lease_until": None,
        "decided_by": "",
        "decided_at": None,
        "reason": "",
        "appeal": "",
        "appealed_at": None,
        "went_live_at": None,
        "purged_at": None,
    }
    market.state.commit(
        "flea",
        put_submission(
            submission=json.dumps(row),
            entity=json.dumps(entity) if entity is not None else "",
            event=event,
            items=encode_items(prepared.baked.items),
            why=why,
            action=kind,
            at=now,
        ),
    )
    if event is Event.SUBMIT_TO_MODEL:
        send(market.queue, [submission_id])
    return submission_id


def first_event(review: ReviewMode, report: Report, hold_reason: str) -> tuple[Event, str]:
    """(what happens to a new submission, why)."""
    if worst := report.blocking:
        return Event.SUBMIT_BLOCKED, f"{worst.path}: {worst.message}"
    if review == "model":
        return Event.SUBMIT_TO_MODEL, ""
    if review == "off" and not hold_reason:
        return Event.SUBMIT_CLEAN, ""
    return Event.SUBMIT_TO_ADMIN, hold_reason


def _require_room(state: State, user_id: str, now: datetime, kind: str) -> None:
    with state.read("flea") as db:
        quotas.require_room(db, user_id, now, kind)


def _require_free(state: State, owner_id: str, entity_id: str, name: str, served: str) -> None:
    with state.read("flea") as db:
        _refuse_taken(db, owner_id, entity_id, name, served)


def _refuse_taken(db: Db, owner_id: str, entity_id: str, name: str, served: str) -> None:
    found = repository.with_name(db, owner_id=owner_id, name=name, served_name=served)
    if found is not None and found.id != entity_id:
        raise NameTaken(name, is_own=found.owner_user_id == owner_id)


def _require_nothing_open(state: State, entity_id: str) -> None:
    with state.read("flea") as db:
        _refuse_open(db, entity_id)


def _refuse_open(db: Db, entity_id: str) -> None:
    waiting = next((one for one in repository.submissions_of(db, entity_id) if one.status in OPEN), None)
    if waiting is not None:
        raise PriorVersionPending(waiting.id)


def _now(state: State, entity_id: str) -> Entity:
    with state.read("flea") as db:
        found = repository.find(db, entity_id)
    if found is None:
        raise EntityNotFound(entity_id)
    return found
