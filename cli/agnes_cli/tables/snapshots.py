"""Snapshots: a part of a table as it was at a moment, kept as a parquet file of the person's until they drop it.

user/snapshots/<name>.parquet
user/snapshots/<name>.json      what it was made of: `Snapshot`
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agnes_cli.failures import BadInput
from agnes_cli.tables import database
from agnes_cli.tables.copies import replace_text
from agnes_cli.tables.database import LocalDatabase

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_AGE = re.compile(r"(\d{1,5})([hdw])")
_SIZE = re.compile(r"(\d{1,6}(?:\.\d+)?)\s*([kmgt]?)b?", re.IGNORECASE)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


class SnapshotExists(BadInput):
    exit_code = 6
    code = "already_exists"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"there is a snapshot {name}", hint=f"`agnes snapshot refresh {name}` renews it, --force replaces it."
        )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`fetched_at` is UTC; `source` is `copy` or `server`; `effective_as_of` is when the copy's table had changed last."""

    name: str
    table_id: str
    select: tuple[str, ...] = ()
    where: str = ""
    limit: int | None = None
    order_by: tuple[str, ...] = ()
    source: str = ""
    fetched_at: str = ""
    effective_as_of: str = ""
    rows: int = 0
    bytes_local: int = 0
    estimated_scan_bytes_at_fetch: int | None = None

    def sql(self) -> str:
        columns = ", ".join(map(database.quoted, self.select)) or "*"
        order = ", ".join(_ordered(each) for each in self.order_by)
        return (
            f"SELECT {columns} FROM {database.quoted(self.table_id)}"
            + (f" WHERE ({self.where})" if self.where else "")
            + (f" ORDER BY {order}" if order else "")
            + (f" LIMIT {self.limit}" if self.limit is not None else "")
        )

    def scan(self) -> dict[str, Any]:
        """The body of a scan on the server."""
        given: dict[str, Any] = {"table_id": self.table_id}
        if self.select:
            given["select"] = list(self.select)
        if self.where:
            given["where"] = self.where
        if self.order_by:
            given["order_by"] = list(self.order_by)
        if self.limit is not None:
            given["limit"] = self.limit
        return given


class Snapshots:
    def __init__(self, here: LocalDatabase) -> None:
        self._here = here
        self.folder = here.snapshots

    def list(self) -> list[Snapshot]:
        """Newest first."""
        found = [self.find(path.stem) for path in self.folder.glob("*.parquet")]
        return sorted((each for each in found if each is not None), key=lambda each: each.fetched_at, reverse=True)

    def find(self, name: str) -> Snapshot | None:
        """One without a description, which somebody put there by hand, has a name and a size only."""
        path = self.path(name)
        if not NAME.fullmatch(name) or not path.is_file():
            return None
        try:
            said = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            lists = {key: tuple(map(str, said.get(key) or ())) for key in ("select", "order_by")}
            known = {key: said[key] for key in Snapshot.__dataclass_fields__ if key in said and key not in lists}
            return Snapshot(**{**known, **lists, "name": name})
        except (OSError, ValueError, TypeError, AttributeError):
            return Snapshot(name, "", bytes_local=path.stat().st_size)

    def get(self, name: str) -> Snapshot:
        found = self.find(name)
        if found is None:
            raise BadInput(f"there is no snapshot {name}", hint="`agnes snapshot list` shows yours.")
        return found

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.parquet"

    def is_here(self, wanted: Snapshot, *, at_server: bool) -> bool:
        """Whether it is made of the workspace's own copy."""
        return not at_server and self._here.copies.find(wanted.table_id) is not None

    def check_name(self, name: str) -> None:
        """Raises BadInput."""
        if not NAME.fullmatch(name):
            raise BadInput(f"{name[:80]} is no name for a snapshot", hint="Letters, digits and _, at most 64.")
        if self._here.copies.find(name) is not None:
            raise BadInput(f"{name} is a table", hint="Give the snapshot another name with --as.")

    def estimate(self, wanted: Snapshot, *, at_server: bool) -> dict[str, Any]:
        """Rows that it would have, and what the server would read for it."""
        if self.is_here(wanted, at_server=at_server):
            found = self._here.run(f"SELECT count(*) FROM ({wanted.sql()})", 1)
            return {
                "table_id": wanted.table_id,
                "source": "copy",
                "result_rows": int(found.rows[0][0]),
                "scan_bytes": 0,
            }
        from agnes_cli.server import connect
        from agnes_cli.tables import remote

        with connect() as server:
            return remote.estimate(server, wanted.scan()) | {"source": "server"}

    def make(self, wanted: Snapshot, *, at_server: bool, estimated: int | None = None) -> Snapshot:
        """Write it, in place of an earlier one of its name. Raises Failure; then the earlier one stays."""
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        if self.is_here(wanted, at_server=at_server):
            copy = self._here.copies.find(wanted.table_id)
            rows = self._here.write_parquet(wanted.sql(), self.path(wanted.name))
            source, as_of = "copy", copy.changed_at if copy else ""
        else:
            rows = self._from_server(wanted)
            source, as_of = "server", now
        made = replace(
            wanted,
            source=source,
            fetched_at=now,
            effective_as_of=as_of,
            rows=rows,
            bytes_local=self.path(wanted.name).stat().st_size,
            estimated_scan_bytes_at_fetch=estimated,
        )
        replace_text(self.path(wanted.name).with_suffix(".json"), json.dumps(asdict(made), indent=2))
        return made

    def drop(self, name: str) -> Snapshot:
        found = self.get(name)
        self.path(name).with_suffix(".json").unlink(missing_ok=True)
        self.path(name).unlink(missing_ok=True)
        return found

    def _from_server(self, wanted: Snapshot) -> int:
        from agnes_cli.server import connect, route

        with tempfile.TemporaryDirectory() as folder, connect() as server:
            columns = server.get(route("api", "v2", "schema", wanted.table_id))["columns"]
            types = {
                each["name"]: each["type"] for each in columns if not wanted.select or each["name"] in wanted.select
            }
            file = Path(folder, "rows.ndjson")
            with (
                file.open("wb") as out,
                server.download_of("/api/v2/scan", wanted.scan() | {"format": "ndjson"}) as pieces,
            ):
                out.writelines(pieces)
            return self._here.write_parquet(_read_sql(file, types), self.path(wanted.name))


def age(text: str) -> timedelta:
    """`12h`, `30d`, `4w`. Raises BadInput."""
    found = _AGE.fullmatch(text)
    if not found:
        raise BadInput(f"{text} is no age", hint="Such as 12h, 30d or 4w.")
    return timedelta(hours=int(found[1]) * {"h": 1, "d": 24, "w": 168}[found[2]])


def size_bytes(text: str) -> int:
    """`500MB`, `2GB`. Raises BadInput."""
    found = _SIZE.fullmatch(text.strip())
    if not found:
        raise BadInput(f"{text} is no size", hint="Such as 500MB or 2GB.")
    return int(float(found[1]) * _UNITS[found[2].lower()])


def _ordered(given: str) -> str:
    column, _, direction = given.strip().partition(" ")
    return database.quoted(column) + (" DESC" if direction.strip().casefold() == "desc" else "")


def _read_sql(file: Path, types: Mapping[str, str]) -> str:
    columns = ", ".join(f"{_text(name)}: {_text(type_)}" for name, type_ in types.items())
    return f"SELECT * FROM read_json({_text(file)}, format = 'newline_delimited', columns = {{{columns}}})"


def _text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"
