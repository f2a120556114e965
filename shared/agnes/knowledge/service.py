"""What people and admins do with knowledge."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from agnes.kernel.calls import registered
from agnes.kernel.errors import AgnesError, BadRequestError, ConflictError
from agnes.kernel.principal import Principal
from agnes.kernel.state import Change, Tx
from agnes.knowledge import changing, repository, scrubbing, visibility
from agnes.knowledge.changing import Put
from agnes.knowledge.context import Knowledge
from agnes.knowledge.model import (
    EVERYONE,
    FILE,
    GROUPS,
    MAX_CONTENT,
    MAX_REASON,
    MAX_TITLE,
    MAX_WORD,
    MAX_WORDS,
    Item,
    Kind,
    Rules,
    Source,
)
from agnes.knowledge.transitions import DISTRIBUTED, OF_ADMINS, WITH_REASON, Event, Status
from agnes.knowledge.visibility import Reader

MAX_BATCH = 500
MIN_REASON = 3


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody proposes."""

    title: str
    content: str
    domain: str = ""
    category: str = ""
    tags: Sequence[str] = ()
    entities: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """What an admin decides about an item, with what they say about it."""

    event: Event
    reason: str = ""
    audience: str | None = None
    groups: Sequence[str] | None = None
    valid_until: datetime | None = None
    review_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class BatchResult:
    """Of a batch, one line an item: the good ones are done whatever became of the others."""

    done: list[str] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)
    """`id`, `code` and `message` of each."""


def reader(k: Knowledge, who: Principal) -> Reader:
    with k.state.read("people") as db:
        return visibility.reader(db, who)


def get(k: Knowledge, who: Principal, item_id: str) -> Item:
    """Raises ItemNotFound, for what is not for this person as well."""
    reads = reader(k, who)
    with k.state.read(FILE) as db:
        return visibility.require(repository.item(db, item_id), item_id, reads, k.clock.now())


def propose(k: Knowledge, who: Principal, draft: Draft) -> Put:
    """Add what a person proposes. Raises BadRequestError, HoldsSecret, ScanFailed."""
    title, content = _line(draft.title, "title", MAX_TITLE), _text(draft.content, "content", MAX_CONTENT)
    _require_known(k.rules, domain=draft.domain, category=draft.category)
    tags, entities = _words(draft.tags, "tags"), _words(draft.entities, "entities")
    scrubbing.refuse_secrets(k.scanners, title=title, content=content, tags=" ".join([*tags, *entities]))
    at = k.clock.now()
    return k.state.commit(
        FILE,
        lambda tx: changing.put_fact(
            tx,
            k.rules,
            title=title,
            content=content,
            domain=draft.domain,
            category=draft.category,
            tags=tags,
            entities=entities,
            source=Source.ADMIN if who.is_admin else Source.PERSON,
            user_id=who.user_id,
            kind=Kind.PROPOSAL,
            quote=content[:300],
            at=at,
        ),
    )


def decide(k: Knowledge, who: Principal, item_id: str, decision: Decision) -> Item:
    """Raises DeniedError, ItemNotFound, EventRefused, BadRequestError, ConflictError `item_is_personal`."""
    who.require_admin()
    _check(decision)
    groups = _known_groups(k, decision)
    at = k.clock.now()
    return k.state.commit(FILE, lambda tx: _decide(tx, k, who, item_id, decision=decision, groups=groups, at=at))


def decide_all(k: Knowledge, who: Principal, item_ids: Sequence[str], decision: Decision) -> BatchResult:
    """Decide about several items in one commit. Raises DeniedError, BadRequestError."""
    who.require_admin()
    _check(decision)
    wanted = list(dict.fromkeys(item_ids))
    if not 0 < len(wanted) <= MAX_BATCH:
        raise BadRequestError(f"name 1 to {MAX_BATCH} items", code="batch_size")
    groups = _known_groups(k, decision)
    at = k.clock.now()

    def every(tx: Tx) -> BatchResult:
        result = BatchResult()
        for item_id in wanted:
            try:
                _decide(tx, k, who, item_id, decision=decision, groups=groups, at=at)
                result.done.append(item_id)
            except AgnesError as error:
                result.failed.append({"id": item_id, "code": error.code, "message": error.message})
        return result

    return k.state.commit(FILE, every)


def _decide(
    tx: Tx, k: Knowledge, who: Principal, item_id: str, *, decision: Decision, groups: list[str] | None, at: datetime
) -> Item:
    found = changing.require(tx, item_id)
    if found.is_personal and found.author_id != who.user_id:
        raise visibility.ItemNotFound(item_id)
    if found.is_personal and decision.event in (Event.APPROVE, Event.MANDATE):
        raise ConflictError("this item is personal", code="item_is_personal", hint="Its author has to share it first.")
    changes: dict[str, Any] = {}
    if groups is not None:
        changes |= {"audience": GROUPS if groups else EVERYONE, "audience_groups": groups}
    if decision.event in (Event.APPROVE, Event.MANDATE):
        until = decision.valid_until if decision.valid_until is not None else found.valid_until
        changes["valid_until"] = until if until is None or until > at else None
        changes["review_at"] = decision.review_at or (at + k.rules.review_after if k.rules.review_after else None)
    return changing.move(
        tx, found, decision.event, user_id=who.user_id, at=at, reason=_reason(decision), changes=changes
    )


def edit(k: Knowledge, who: Principal, item_id: str, changes: Mapping[str, Any]) -> Item:
    """Change fields of an item: any by an admin; text, domain, category, tags and entities of one's own that waits for a review.

    Raises ItemNotFound, BadRequestError, HoldsSecret, ConflictError `reviewed`.
    """
    before = get(k, who, item_id)
    written = _edited(k, changes)
    own = before.author_id == who.user_id
    if not who.is_admin:
        if before.status != Status.PENDING:
            raise ConflictError(
                "this item was reviewed", code="reviewed", hint="Report what is wrong with it: an admin decides."
            )
        if unknown := written.keys() - {"title", "content", "domain", "category", "tags", "entities"}:
            raise BadRequestError(f"only an admin changes {min(unknown)}", code="admin_only_field")
    at = k.clock.now()

    def write(tx: Tx) -> Item:
        found = changing.require(tx, item_id)
        if found.status != before.status and not who.is_admin:
            raise ConflictError("this item was reviewed meanwhile", code="reviewed", hint="Load it again.")
        if found.is_personal and not own:
            raise visibility.ItemNotFound(item_id)
        return changing.change(tx, found, written, event="edit", user_id=who.user_id, at=at)

    return k.state.commit(FILE, write)


def _edited(k: Knowledge, changes: Mapping[str, Any]) -> dict[str, Any]:
    written: dict[str, Any] = {}
    for name, value in changes.items():
        if name == "title":
            written[name] = _line(str(value or ""), name, MAX_TITLE)
        elif name == "content":
            written[name] = _text(str(value or ""), name, MAX_CONTENT)
        elif name in ("domain", "category"):
            written[name] = str(value or "")
        elif name in ("tags", "entities"):
            written[name] = _words(value or (), name)
        elif name == "groups":
            groups = _existing(k, list(value or ()))
            written |= {"audience": GROUPS if groups else EVERYONE, "audience_groups": groups}
        elif name in ("valid_from", "valid_until", "review_at"):
            written[name] = value
        else:
            raise BadRequestError(f"{name} cannot be changed", code="unknown_field")
    _require_known(k.rules, domain=written.get("domain", ""), category=written.get("category", ""))
    texts = {
        name: value if isinstance(value, str) else " ".join(value)
        for name, value in written.items()
        if name in ("title", "content", "tags", "entities")
    }
    scrubbing.refuse_secrets(k.scanners, **texts)
    return written


def set_personal(k: Knowledge, who: Principal, item_id: str, *, wanted: bool) -> Item:
    """Keep an item of one's own to oneself, or share it again. What is distributed is everybody's: only an admin takes it back.

    Raises ItemNotFound, DeniedError `not_yours`, ConflictError `item_is_distributed`.
    """
    found = get(k, who, item_id)
    if found.author_id != who.user_id:
        raise BadRequestError("only its author keeps an item to themselves", code="not_yours")
    at = k.clock.now()

    def write(tx: Tx) -> Item:
        now = changing.require(tx, item_id)
        if wanted and now.status in DISTRIBUTED:
            raise ConflictError(
                "this item is distributed", code="item_is_distributed", hint="Report an error: an admin can revoke it."
            )
        return changing.change(tx, now, {"is_personal": wanted}, event="personal", user_id=who.user_id, at=at)

    return k.state.commit(FILE, write)


def vote(k: Knowledge, who: Principal, item_id: str, value: int) -> dict[str, int]:
    """1, -1, or 0 to take it back; the counts after it. Raises ItemNotFound, BadRequestError, ConflictError `no_votes`."""
    if value not in (1, 0, -1):
        raise BadRequestError("a vote is 1, -1 or 0", code="invalid_vote")
    if k.rules.distribution == "mandatory_only":
        raise ConflictError("nobody votes here", code="no_votes", hint="KNOWLEDGE_DISTRIBUTION is mandatory_only.")
    get(k, who, item_id)
    up, down = k.state.commit(FILE, put_vote(item_id=item_id, user_id=who.user_id, vote=value, at=k.clock.now()))
    return {"upvotes": int(up), "downvotes": int(down), "my_vote": value}


@registered("knowledge.service.put_vote")
def put_vote(tx: Tx, *, item_id: str, user_id: str, vote: int, at: datetime) -> list[int]:
    repository.set_vote(tx.db, item_id, user_id, vote, at)
    found = repository.supports(tx.db, [item_id]).get(item_id)
    return [found.upvotes, found.downvotes] if found else [0, 0]


def dismiss(k: Knowledge, who: Principal, item_id: str, *, wanted: bool) -> None:
    """Keep an item out of one's own sessions, or take it in again. Raises ItemNotFound, ConflictError `item_is_mandatory`."""
    found = get(k, who, item_id)
    if wanted and found.status == Status.MANDATORY:
        raise ConflictError("this item is mandatory", code="item_is_mandatory", hint="Report an error if it is wrong.")
    k.state.commit(FILE, put_dismissal(item_id=item_id, user_id=who.user_id, wanted=wanted, at=k.clock.now()))


@registered("knowledge.service.put_dismissal")
def put_dismissal(tx: Tx, *, item_id: str, user_id: str, wanted: bool, at: datetime) -> None:
    repository.set_dismissed(tx.db, item_id, user_id, wanted=wanted, at=at)


def report_error(k: Knowledge, who: Principal, item_id: str, reason: str) -> None:
    """Say what is wrong with an item; admins are told, and its confidence falls until one has answered.

    Raises ItemNotFound, BadRequestError `reason_required`, HoldsSecret.
    """
    found = get(k, who, item_id)
    said = _line(reason, "reason", MAX_REASON)
    scrubbing.refuse_secrets(k.scanners, reason=said)
    at = k.clock.now()

    def write(tx: Tx) -> None:
        changing.require(tx, item_id)
        repository.complain(tx.db, item_id, who.user_id, said, at)
        changing.tell_admins(
            tx,
            "complaint",
            f"Somebody says that “{found.title}” is wrong: {said}",
            item_id=item_id,
            url=f"/admin/knowledge/{item_id}",
            at=at,
        )
        tx.record(Change("knowledge.report", f"knowledge:{item_id}", {}))

    k.state.commit(FILE, write)


# What is accepted


def _check(decision: Decision) -> None:
    if decision.event not in OF_ADMINS:
        raise BadRequestError(f"{decision.event} is no decision", code="unknown_decision")
    if decision.event in WITH_REASON and len(_reason(decision)) < MIN_REASON:
        raise BadRequestError(
            "say why, in a few words",
            code="reason_required",
            hint="Its author and, of a mandate, everybody who gets it reads the reason.",
            errors=[{"field": "reason", "reason": f"{MIN_REASON} characters or more"}],
        )


def _reason(decision: Decision) -> str:
    return " ".join(decision.reason.split())[:MAX_REASON]


def _known_groups(k: Knowledge, decision: Decision) -> list[str] | None:
    """Ids of the audience's groups; empty for everyone, None to leave it as it is."""
    if decision.audience == EVERYONE:
        return []
    if decision.audience == GROUPS or decision.groups is not None:
        groups = _existing(k, list(decision.groups or ()))
        if not groups:
            raise BadRequestError("name the groups", code="groups_required", hint="Or choose everyone.")
        return groups
    return None


def _existing(k: Knowledge, groups: Collection[str]) -> list[str]:
    """Raises BadRequestError `unknown_group`."""
    if not groups:
        return []
    from agnes.access import service as access

    with k.state.read("people") as db:
        known = {group_id for group_id, _ in access.group_names(db)}
    if unknown := [group for group in groups if group not in known]:
        raise BadRequestError(
            f"there is no group {unknown[0][:64]!r}", code="unknown_group", hint="`agnes admin group list` shows them."
        )
    return sorted(set(groups))


def _require_known(rules: Rules, *, domain: str, category: str) -> None:
    for name, value, known in (("domain", domain, rules.domains), ("category", category, rules.categories)):
        if value and value not in known:
            raise BadRequestError(
                f"there is no {name} {value[:60]!r}", code=f"unknown_{name}", hint=f"One of: {', '.join(known)}."
            )


def _line(text: str, name: str, limit: int) -> str:
    found = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return _fitting(found, name, limit)


def _text(text: str, name: str, limit: int) -> str:
    kept = "".join(c if c.isprintable() or c in "\n\t" else " " for c in text.replace("\r\n", "\n"))
    return _fitting(kept.strip(), name, limit)


def _fitting(text: str, name: str, limit: int) -> str:
    if not text:
        raise BadRequestError(
            f"the {name} is empty", code=f"{name}_required", errors=[{"field": name, "reason": "is empty"}]
        )
    if len(text) > limit:
        raise BadRequestError(
            f"the {name} has {len(text)} characters, the limit is {limit}",
            code=f"{name}_too_long",
            errors=[{"field": name, "reason": f"has more than {limit} characters"}],
        )
    return text


def _words(given: Sequence[str], name: str) -> list[str]:
    words = list(dict.fromkeys(word for one in given if (word := " ".join(str(one).split()))))
    if len(words) > MAX_WORDS or any(len(word) > MAX_WORD for word in words):
        raise BadRequestError(
            f"the {name} are too many or too long",
            code=f"{name}_too_long",
            hint=f"At most {MAX_WORDS} of {MAX_WORD} characters.",
        )
    return words
