"""The sources that tables come from. A source's secret is with the secrets port only, and never goes along to another address."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from agnes.kernel.errors import ConflictError, InvalidError
from agnes.kernel.ids import new_ulid
from agnes.kernel.ports import Clock, Secret, Secrets
from agnes.kernel.principal import Principal
from agnes.kernel.state import Change, Db, State, Tx
from agnes.tables import repository, rules
from agnes.tables.model import FILE, Source, SourceCreate, SourceNotFound, SourceUpdate, StoredSource

MAX_SOURCES = 100
MAX_SECRET = 20_000
"""Characters: a service account's key file has about 2,500."""

WHERE = frozenset({"host", "port", "uri", "url", "account", "endpoint", "project", "location", "connector"})
"""Options that say where a source is. When one changes, the secret must be given again."""


class SourceInvalid(InvalidError):
    code = "invalid_source"

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__(problems[0], problems=list(problems), hint="See docs/tables.md, *Sources*.")


def sources(db: Db) -> list[Source]:
    """By id."""
    return [stored.source for stored in repository.sources(db)]


def get_stored(db: Db, source_id: str) -> StoredSource:
    """Raises SourceNotFound."""
    found = repository.find_source(db, source_id)
    if found is None:
        raise SourceNotFound(source_id)
    return found


def secret_of(stored: StoredSource, secrets: Secrets) -> Secret | None:
    """Raises UnavailableError."""
    return secrets.get(stored.secret_name) if stored.secret_name else None


def add(state: State, who: Principal, given: SourceCreate, *, secrets: Secrets, clock: Clock) -> Source:
    """Raises SourceInvalid, ConflictError `source_exists`."""
    who.require_admin()
    _check(given.type, given.options, given.secret)
    now = clock.now()

    def insert(tx: Tx, secret_name: str | None) -> Source:
        held = repository.sources(tx.db)
        if any(each.source.id == given.id for each in held):
            raise ConflictError(
                f"there is a source {given.id}", code="source_exists", hint="Change it, or choose another id."
            )
        if len(held) >= MAX_SOURCES:
            raise ConflictError(f"there are {MAX_SOURCES} sources, which is the limit", code="too_many_sources")
        made = Source(
            given.id, given.type, given.description, given.options, secret_name is not None, who.email, now, now
        )
        repository.put_source(tx.db, StoredSource(made, secret_name))
        tx.record(Change("table_source.create", f"table_source:{given.id}", _told(made)))
        return made

    return _with_secret(state, given.id, given.secret, secrets, insert)


def change(
    state: State, who: Principal, source_id: str, given: SourceUpdate, *, secrets: Secrets, clock: Clock
) -> Source:
    """Raises SourceNotFound, SourceInvalid, among them that another address needs the secret again."""
    who.require_admin()
    with state.read(FILE) as db:
        before = get_stored(db, source_id)
    options = before.source.options if given.options is None else given.options
    _check(before.source.type, options, given.secret)
    if before.secret_name and given.secret is None and _where(options) != _where(before.source.options):
        raise SourceInvalid(("the source is at another address now: send its secret again, or an empty one",))

    def update(tx: Tx, secret_name: str | None) -> Source:
        held = get_stored(tx.db, source_id)
        kept = held.secret_name if given.secret is None else secret_name
        made = replace(
            held.source,
            description=held.source.description if given.description is None else given.description,
            options=options,
            has_secret=kept is not None,
            updated_at=clock.now(),
        )
        repository.put_source(tx.db, StoredSource(made, kept))
        tx.record(Change("table_source.update", f"table_source:{source_id}", _told(made), _told(held.source)))
        return made

    after = _with_secret(state, source_id, given.secret, secrets, update)
    if given.secret is not None and before.secret_name:
        secrets.remove(before.secret_name)
    return after


def remove(state: State, who: Principal, source_id: str, *, secrets: Secrets) -> None:
    """Raises SourceNotFound, ConflictError `source_in_use`."""
    who.require_admin()

    def delete(tx: Tx) -> str | None:
        held = get_stored(tx.db, source_id)
        if used := repository.ids_by_source(tx.db, source_id):
            raise ConflictError(
                f"{len(used)} tables come from {source_id}: {', '.join(used[:5])}",
                code="source_in_use",
                hint="Remove these tables first.",
            )
        repository.delete_source(tx.db, source_id)
        tx.record(Change("table_source.delete", f"table_source:{source_id}", {}, _told(held.source)))
        return held.secret_name

    if name := state.commit(FILE, delete):
        secrets.remove(name)


def _check(type_: str, options: Mapping[str, str], secret: str | None) -> None:
    problems = rules.check_options(type_, options)
    if secret is not None and len(secret) > MAX_SECRET:
        problems += (f"the secret has more than {MAX_SECRET:,} characters",)
    if problems:
        raise SourceInvalid(problems)


def _where(options: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in options.items() if name in WHERE}


def _with_secret(
    state: State, source_id: str, secret: str | None, secrets: Secrets, change: Callable[[Tx, str | None], Source]
) -> Source:
    """Commit a change with the name of the new secret, which is stored first and removed again if the change fails."""
    name = f"table-source-{source_id}-{new_ulid()}" if secret else None
    if name and secret:
        secrets.put(name, Secret(secret))
    try:
        return state.commit(FILE, lambda tx: change(tx, name))
    except BaseException:
        if name:
            secrets.remove(name)
        raise


def _told(source: Source) -> dict[str, object]:
    return {"type": source.type, "options": source.options, "has_secret": source.has_secret}
