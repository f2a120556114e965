"""Drop locations: where transcripts are collected from. Admins manage them; credentials live with the secrets only."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from agnes.kernel.drops import Drops, Place
from agnes.kernel.errors import BadRequestError, ConflictError
from agnes.kernel.ids import new_ulid
from agnes.kernel.ports import Clock, Secret, Secrets
from agnes.kernel.principal import Principal
from agnes.kernel.state import Change, Db, State, Tx
from agnes.telemetry.collecting.model import FILE, Kept, Location, LocationChange, LocationNotFound, NewLocation
from agnes.telemetry.collecting.rules import GIVEN, checked, credential_of, fingerprint, host_key_of

MAX_LOCATIONS = 50

_COLUMNS = (
    "id", "kind", "host", "port", "username", "host_key", "bucket", "region", "endpoint", "pattern", "matching", "people",
    "enabled", "credential_name", "created_by", "created_at", "updated_at",
)  # fmt: skip


def locations(db: Db) -> list[Location]:
    """By id; `db` has `collector`."""
    return [kept.location for kept in kept_locations(db)]


def kept_locations(db: Db) -> list[Kept]:
    rows = db.execute(f"SELECT {', '.join(_COLUMNS)} FROM collector.locations ORDER BY id").fetchall()  # noqa: S608 (fixed)
    return [_kept(dict(zip(_COLUMNS, row, strict=True))) for row in rows]


def get_kept(db: Db, id: str) -> Kept:
    """Raises LocationNotFound."""
    found = next((kept for kept in kept_locations(db) if kept.location.id == id), None)
    if found is None:
        raise LocationNotFound(id)
    return found


def add(state: State, who: Principal, given: NewLocation, *, secrets: Secrets, clock: Clock) -> Location:
    """Raises BadRequestError, DropRefused, ConflictError `location_exists`."""
    who.require_admin()
    values = checked(given)
    if values["kind"] == "sftp" and not values["host_key"]:
        raise BadRequestError(
            "an SFTP server's host key must be confirmed before it is trusted",
            code="host_key_unconfirmed",
            hint="POST …/locations/test shows its fingerprint; send the `host_key` that you compared.",
        )
    now = clock.now()

    def insert(tx: Tx, credential_name: str | None) -> Location:
        held = kept_locations(tx.db)
        if any(kept.location.id == given.id for kept in held):
            raise ConflictError(f"there is a location {given.id}", code="location_exists", hint="PATCH it.")
        if len(held) >= MAX_LOCATIONS:
            raise ConflictError(f"there are {MAX_LOCATIONS} locations, which is the limit", code="too_many_locations")
        row = values | {
            "credential_name": credential_name,
            "created_by": who.email,
            "created_at": now,
            "updated_at": now,
        }
        _write(tx, row)
        tx.record(
            Change(
                "usage.location.create",
                f"location:{given.id}",
                _said(values) | {"has_credential": bool(credential_name)},
            )
        )
        return get_kept(tx.db, given.id).location

    return _with_credential(state, given, secrets, clock, insert)


def change(state: State, who: Principal, id: str, given: LocationChange, *, secrets: Secrets, clock: Clock) -> Location:
    """Change what is given. A credential never goes along to another server.

    Raises LocationNotFound, BadRequestError, DropRefused.
    """
    who.require_admin()
    with state.read(FILE) as db:
        old = get_kept(db, id)
    before = {name: getattr(old.location, name) for name in ("id", "kind", *GIVEN)}
    wanted = before | {name: getattr(given, name) for name in GIVEN if getattr(given, name) is not None}
    values = checked(NewLocation.model_validate(wanted))
    moved = any(values[name] != before[name] for name in ("host", "port", "bucket", "endpoint"))
    if moved and old.credential_name and given.credential is None:
        raise BadRequestError(
            "the location leads to another place, which must not get the credential of the old one",
            code="credential_required",
            hint="Send the new credential, or an empty one.",
        )
    if moved and values["kind"] == "sftp" and given.host_key is None:
        raise BadRequestError(
            "another server has another host key",
            code="host_key_unconfirmed",
            hint="Send the `host_key` that you compared.",
        )

    def update(tx: Tx, credential_name: str | None) -> Location:
        held = get_kept(tx.db, id)
        keeps = held.credential_name if given.credential is None else credential_name
        created = {"created_by": held.location.created_by, "created_at": held.location.created_at}
        _write(tx, values | created | {"credential_name": keeps, "updated_at": clock.now()})
        if any(
            values[name] != before[name] for name in ("pattern", "matching", "people", "host", "bucket", "endpoint")
        ):
            # What was fetched may be somebody else's now: everything is looked at again.
            tx.db.execute("DELETE FROM collector.files WHERE location_id = ?", [id])
        shown = {name: value for name, value in _said(values).items() if value != _said(before).get(name)}
        if given.credential is not None:
            shown["credential"] = "replaced" if credential_name else "removed"
        was = {name: value for name, value in _said(before).items() if name in shown}
        tx.record(Change("usage.location.update", f"location:{id}", shown, was))
        return get_kept(tx.db, id).location

    after = _with_credential(state, given, secrets, clock, update, id=id)
    if given.credential is not None and old.credential_name:
        secrets.remove(old.credential_name)
    return after


def remove(state: State, who: Principal, id: str, *, secrets: Secrets) -> None:
    """Forget a location, its credential and what was fetched there; transcripts stay. Raises LocationNotFound."""
    who.require_admin()

    def delete(tx: Tx) -> str | None:
        kept = get_kept(tx.db, id)
        tx.db.execute("DELETE FROM collector.files WHERE location_id = ?", [id])
        tx.db.execute("DELETE FROM collector.locations WHERE id = ?", [id])
        tx.record(
            Change(
                "usage.location.delete",
                f"location:{id}",
                {},
                {"kind": kept.location.kind, "pattern": kept.location.pattern},
            )
        )
        return kept.credential_name

    name = state.commit(FILE, delete)
    if name:
        secrets.remove(name)


def proposed(who: Principal, given: NewLocation, *, clock: Clock) -> tuple[Location, Secret | None]:
    """A location that is not saved, to be looked at. Raises BadRequestError, DropRefused."""
    who.require_admin()
    values = checked(given)
    secret = credential_of(given.kind, given.credential)
    shown = fingerprint(values["host_key"]) if values["host_key"] else ""
    now = clock.now()
    location = Location(
        **values,
        has_credential=secret is not None,
        created_by=who.email,
        created_at=now,
        updated_at=now,
        fingerprint=shown,
    )
    return location, secret


def with_shown_key(drops: Drops, place: Place) -> str:
    """The host key that a server shows, `<type> <base64>`; empty for what is no server. Raises DropUnreachable, DropRefused."""
    return host_key_of(drops.host_key(place)) if place.kind == "sftp" else ""


def _with_credential(
    state: State,
    given: LocationChange,
    secrets: Secrets,
    clock: Clock,
    change: Callable[[Tx, str | None], Location],
    *,
    id: str = "",
) -> Location:
    """Commit with the credential under a name of its own, gone again if the commit fails."""
    kind = given.kind if isinstance(given, NewLocation) else None
    if kind is None:
        with state.read(FILE) as db:
            kind = get_kept(db, id).location.kind
    secret = credential_of(kind, given.credential)
    if secret is None:
        return state.commit(FILE, lambda tx: change(tx, None))
    name = f"collector/{given.id if isinstance(given, NewLocation) else id}/{new_ulid(clock.now())}"
    secrets.put(name, secret)
    try:
        return state.commit(FILE, lambda tx: change(tx, name))
    except BaseException:
        secrets.remove(name)
        raise


def _write(tx: Tx, row: dict[str, Any]) -> None:
    marks = ", ".join("?" for _ in _COLUMNS)
    values = [json.dumps(row[name]) if name == "people" else row[name] for name in _COLUMNS]
    tx.db.execute(f"INSERT OR REPLACE INTO collector.locations ({', '.join(_COLUMNS)}) VALUES ({marks})", values)  # noqa: S608


def _said(values: dict[str, Any]) -> dict[str, Any]:
    """For the audit: whom `people` names is counted, not told."""
    return {name: value for name, value in values.items() if name not in ("people", "id")} | {
        "people": len(values["people"])
    }


def _kept(row: dict[str, Any]) -> Kept:
    name = row.pop("credential_name")
    row["people"] = json.loads(row["people"])
    shown = fingerprint(row["host_key"]) if row["host_key"] else ""
    return Kept(Location(**row, fingerprint=shown, has_credential=name is not None), name)
