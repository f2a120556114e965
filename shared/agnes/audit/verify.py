"""Is the audit what was written? Every digest is computed again, and every line must follow another one of its chain.

    jobs/audit.verify/heads.json      where each chain ended when it was last found whole: a chain that was cut off since is shorter

What may look like a break and is none: a state file that was restored to an older generation goes on from there, so two lines
follow one, and the second says `state.restore`; and the oldest lines are gone where a retention is set, which the line
`audit.prune` says with the digest of the last that was removed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from agnes.audit import objects
from agnes.audit.archive import KEEPER, lines_of
from agnes.audit.model import COLUMNS, PLACE
from agnes.audit.objects import Parquet
from agnes.kernel import chain, sealed
from agnes.kernel.chain import GENESIS, OBJECTS
from agnes.kernel.errors import AgnesError
from agnes.kernel.ports import ANYTHING, Clock, ObjectStore
from agnes.kernel.state import Db, State

HEADS = "jobs/audit.verify/heads.json"
DAMAGED_MEMORY = f"{HEADS} is damaged"
FORKS = ("state.restore", "state.rebuild_head", "backup.restore")
PRUNED = "audit.prune"
ROLL_OUT = timedelta(days=1)
"""After a chain's first line, functions of a release that knows no chains may still write lines without a digest."""
_LATEST = datetime.fromisoformat("9000-01-01T00:00:00+00:00")
_AT_ONCE = 5_000
_NAMED = 5
_STORED = tuple(COLUMNS | PLACE)


class AuditChainBroken(AgnesError):
    """The audit is not what was written."""

    code = "audit_chain_broken"
    status = 409

    def __init__(self, faults: list[str], count: int) -> None:
        more = f" and {count - len(faults)} more" if count > len(faults) else ""
        super().__init__(
            f"the audit is not what was written: {'; '.join(faults)}{more}", hint="See docs/runbooks/audit-chain.md."
        )
        self.faults = faults
        self.count = count


@dataclass(slots=True)
class VerifiedChain:
    """`seq` and `digest` are those of its last line: note them elsewhere, and nobody can shorten the chain unseen."""

    lines: int
    seq: int
    digest: str


@dataclass(slots=True)
class Verified:
    """What was looked at, and was found whole."""

    lines: int = 0
    chains: dict[str, VerifiedChain] = field(default_factory=dict)
    without_digest: int = 0
    """Lines of before there were chains."""
    waiting: int = 0
    """Single objects, which get their place in a chain when they are archived."""
    pruned_through: dict[str, int] = field(default_factory=dict)
    """By chain: the last line that was removed because of its age."""


@dataclass(slots=True)
class _Faults:
    count: int = 0
    named: list[str] = field(default_factory=list)

    def add(self, fault: str, count: int = 1) -> None:
        self.count += count
        if len(self.named) < _NAMED:
            self.named.append(fault)


def verify(state: State, store: ObjectStore, *, clock: Clock, remember: bool = True) -> Verified:
    """Check the audit whole. With `remember`, the next run demands that no chain is shorter than it is now.

    Raises AuditChainBroken, UnavailableError.
    """
    found, faults = Verified(), _Faults()
    today = clock.now().date() + timedelta(days=1)
    with objects.parquet() as bench:
        heads = _gather(state, store, bench, faults, today)
        found.lines, found.without_digest = _count(bench.db)
        found.waiting = sum(1 for _ in objects.listed(store, None, today))
        pruned = _pruned(bench.db)
        found.pruned_through = {name: seq for name, (seq, _) in pruned.items()}
        _follow(bench.db, pruned, faults)
        _demand(bench.db, heads, pruned, "the state file says that it ends", faults)
        _late(bench.db, faults)
        _demand(bench.db, _remembered(store, faults), pruned, "the last verification found", faults)
        found.chains = _ends(bench.db)
    # What is remembered and cannot be read is reported once: the chains themselves are whole, so the next run can demand them.
    if remember and faults.named in ([], [DAMAGED_MEMORY]):
        body = json.dumps({name: [end.seq, end.digest] for name, end in found.chains.items()} | {"": [0, GENESIS]})
        store.write(HEADS, sealed.seal(HEADS, body.encode()), expect=ANYTHING, content_type="application/json")
    if faults.count:
        raise AuditChainBroken(faults.named, faults.count)
    return found


def _gather(
    state: State, store: ObjectStore, bench: Parquet, faults: _Faults, until: date
) -> dict[str, tuple[int, str]]:
    """Fill the table `places` with every line, and compute its digest again; where the state files say that chains end.

    State files first: what is archived meanwhile is met twice, and never not at all."""
    bench.db.execute(
        'CREATE TABLE places (chain VARCHAR, seq BIGINT, previous VARCHAR, digest VARCHAR, id VARCHAR, "at" TIMESTAMPTZ, '
        "action VARCHAR, params VARCHAR)"
    )
    heads: dict[str, tuple[int, str]] = {}
    for file in state.names:
        with state.read(file) as db:
            rows = lines_of(db, file, _LATEST, 10**9)
            for name, seq, digest in db.execute(f"SELECT chain, seq, digest FROM {file}.audit_heads").fetchall():  # noqa: S608
                if name == file or (file == KEEPER and name == OBJECTS):
                    heads[name] = (seq, digest)
        _check(rows, faults)
        _note(bench, rows)
    for stored in objects.archived(store, None, until):
        paths = bench.fetch(store, [stored])
        if not paths:
            if store.read(stored.key) is not None:
                faults.add(f"{stored.key} cannot be read")
            continue
        for rows in _rows(bench, bench.whole(paths)):
            _check(rows, faults, stored.key)
        _note_files(bench, bench.whole(paths))
        paths[0].unlink()
    return heads


def _rows(bench: Parquet, table: str) -> Iterator[list[objects.Row]]:
    columns = ", ".join(f'"{name}"' for name in _STORED)
    result = bench.db.execute(f"SELECT {columns} FROM {table} WHERE seq IS NOT NULL")  # noqa: S608 (our own names)
    while some := result.fetchmany(_AT_ONCE):
        yield [dict(zip(_STORED, row, strict=True)) for row in some]


def _check(rows: list[objects.Row], faults: _Faults, where: str = "") -> None:
    for row in rows:
        if row["seq"] is not None and row["digest"] != chain.digest_of(
            row["chain"], row["seq"], row["previous"] or "", row
        ):
            place = f" in {where}" if where else ""
            faults.add(f"line {row['seq']} of {row['chain']} ({row['id']}){place} was changed")


def _note(bench: Parquet, rows: list[objects.Row]) -> None:
    if rows:
        bench.db.execute(
            f"INSERT INTO places BY NAME SELECT {_SHOWN} FROM {objects.relation(COLUMNS | PLACE)}",  # noqa: S608 (our own names)
            {"rows": objects.encoded(rows)},
        )


def _note_files(bench: Parquet, table: str) -> None:
    bench.db.execute(f"INSERT INTO places BY NAME SELECT {_SHOWN} FROM {table}")  # noqa: S608 (our own names)


_SHOWN = f'chain, seq, previous, digest, id, "at", action, if(action IN {(*FORKS, PRUNED)}, params, NULL) AS params'  # params of few


def _count(db: Db) -> tuple[int, int]:
    """Lines, and those of them that have no digest; each id once."""
    db.execute("CREATE TABLE links AS SELECT DISTINCT ON (chain, seq, digest, id) * FROM places WHERE seq IS NOT NULL")
    found = db.execute("SELECT count(DISTINCT id), count(DISTINCT id) FILTER (seq IS NULL) FROM places").fetchone()
    return (found[0], found[1]) if found else (0, 0)


def _pruned(db: Db) -> dict[str, tuple[int, str]]:
    """Chain → the last of its lines that were removed because of their age, and its digest; as a chain itself says."""
    found: dict[str, tuple[int, str]] = {}
    for (params,) in db.execute("SELECT params FROM links WHERE action = ?", [PRUNED]).fetchall():
        for name, (seq, digest) in json.loads(params)["chains"].items():
            found[name] = max(found.get(name, (0, "")), (seq, digest))
    return found


def _follow(db: Db, pruned: dict[str, tuple[int, str]], faults: _Faults) -> None:
    """Each line follows the one whose digest it names, and one line follows another unless a state file was restored."""
    for name, seq, id in db.execute(  # noqa: A001 (the column's name)
        """SELECT line.chain, line.seq, line.id FROM links line LEFT JOIN links before
        ON before.chain = line.chain AND before.digest = line.previous AND before.seq = line.seq - 1
        WHERE before.id IS NULL AND NOT (line.seq = 1 AND line.previous = ?) ORDER BY ALL""",
        [GENESIS],
    ).fetchall():
        through, digest = pruned.get(name, (0, ""))
        named = db.execute("SELECT previous FROM links WHERE chain = ? AND seq = ? AND id = ?", [name, seq, id])
        if seq == through + 1 and named.fetchall() == [(digest,)]:
            continue
        if seq > through:
            faults.add(f"what was before line {seq} of {name} ({id}) is missing")
    for name, seq, _, extra in db.execute(
        f"""SELECT chain, seq, previous, count(*) FILTER (action NOT IN {FORKS}) FROM links
        GROUP BY ALL HAVING count(*) > 1 AND count(*) FILTER (action NOT IN {FORKS}) > 1 ORDER BY ALL"""  # noqa: S608
    ).fetchall():
        faults.add(f"{extra} lines of {name} are its line {seq}")


def _demand(
    db: Db, heads: dict[str, tuple[int, str]], pruned: dict[str, tuple[int, str]], who: str, faults: _Faults
) -> None:
    for name, (seq, digest) in sorted(heads.items()):
        if seq <= pruned.get(name, (0, ""))[0]:
            continue
        held = db.execute("SELECT 1 FROM links WHERE chain = ? AND seq = ? AND digest = ?", [name, seq, digest])
        if not held.fetchall() and not _was_restored(db, name, seq):
            faults.add(f"line {seq} of {name}, with which {who}, is missing")


def _was_restored(db: Db, name: str, seq: int) -> bool:
    """Whether the file of a chain was restored to a generation of before a line: what came between may never have been archived."""
    found = db.execute(
        f"SELECT 1 FROM links WHERE chain = ? AND seq <= ? AND action IN {FORKS}",  # noqa: S608 (our own words)
        [name, seq],
    )
    return bool(found.fetchall())


def _remembered(store: ObjectStore, faults: _Faults) -> dict[str, tuple[int, str]]:
    blob = store.read(HEADS)
    if blob is None:
        return {}
    try:
        said: dict[str, Any] = json.loads(sealed.opened(HEADS, blob.body))
        return {name: (int(seq), str(digest)) for name, (seq, digest) in said.items() if name}
    except (ValueError, TypeError, AttributeError):
        faults.add(DAMAGED_MEMORY)
        return {}


def _late(db: Db, faults: _Faults) -> None:
    for count, first in db.execute(
        """SELECT count(DISTINCT id), min(id) FROM places WHERE seq IS NULL
        AND "at" > (SELECT min("at") FROM links) + to_seconds(?) HAVING count(*) > 0""",
        [ROLL_OUT.total_seconds()],
    ).fetchall():
        faults.add(f"lines without a digest are younger than the chains (first {first})", count)


def _ends(db: Db) -> dict[str, VerifiedChain]:
    return {
        name: VerifiedChain(lines, seq, digest)
        for name, lines, seq, digest in db.execute(
            """SELECT chain, count(*), max(seq), arg_max(digest, (seq, "at", id)) FROM links GROUP BY chain ORDER BY chain"""
        ).fetchall()
    }
