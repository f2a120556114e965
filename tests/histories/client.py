"""One process of a history: threads that read and change lists of words in one state file until they are killed.

Each operation leaves two lines in the process's journal, one before it begins and one when it has ended:

    {"n": 7, "key": "3.1", "kind": "append", "argument": "4.2.0-7", "at": 812345.678}      seconds of the monotonic clock,
    {"n": 7, "result": ["4.2.0-7"], "at": 812345.681}                                      which all processes share
    {"n": 7, "failed": "CommitContended", "at": 812345.681}                                it had no effect
    {"n": 7, "unknown": "OutcomeUnknown", "at": 812345.681}                                it may have had one

What is written to a file survives the process, so no line is lost by SIGKILL.
"""

from __future__ import annotations

import json
import os
import threading
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from agnes.kernel.calls import registered
from agnes.kernel.clock import SystemClock
from agnes.kernel.errors import ConflictError, UnavailableError
from agnes.kernel.ports import ObjectStore, OutcomeUnknown
from agnes.kernel.state import Tx
from agnes.state import Migration, StateFiles
from agnes.state.publish import Publisher
from tests.histories.linearizable import Operation

KEYS = 4
KEY_SECONDS = 3.0
"""After which there are other keys, so that a key has a few hundred operations and few of them without an answer."""
CREATE = Migration(
    1, "words", "CREATE TABLE log.words (key VARCHAR, place INTEGER, word VARCHAR, PRIMARY KEY (key, place))"
)
PRUNE_SECONDS = 1.0
KEEP_GENERATIONS, KEEP_SECONDS = 10, 1.0
"""What one of the processes leaves when it prunes: less than a paused reader or writer may still hold."""
CLOSURES = 0.25
"""Share of changes that cannot be left for others."""
KINDS = ("append", "append_at", "take", "read", "read_in_commit", "refused")
WEIGHTS = (10, 3, 1, 14, 1, 1)


class Refused(ConflictError):
    """The rule of a change said no, after it had changed something."""

    code = "refused"


@dataclass(frozen=True)
class Identity:
    slot: int
    incarnation: int
    seed: int
    threads: int
    cache: Path
    journal: Path
    began: float
    """When the history began, by the monotonic clock."""


def open_state(
    store: ObjectStore, cache: Path, *, publisher: type[Publisher] = Publisher, max_stale_seconds: float = 0.0
) -> StateFiles:
    return StateFiles(
        store,
        clock=SystemClock(),
        cache_dir=cache,
        migrations={"common": (), "log": (CREATE,)},
        max_stale_seconds=max_stale_seconds,
        publisher=publisher,
    )


def work(me: Identity, state: StateFiles) -> None:
    """Does not return; it ends the process with 3 if anything is raised that a caller need not expect."""
    journal = os.open(me.journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    threads = [threading.Thread(target=_repeat, args=(me, n, state, journal)) for n in range(me.threads)]
    if me.slot == 0:
        threads.append(threading.Thread(target=_prune, args=(state,)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os._exit(3)


def _repeat(me: Identity, thread: int, state: StateFiles, journal: int) -> None:
    rng, number, length = Random(f"{me.seed}-{thread}"), 0, 0
    name = f"{me.slot}.{me.incarnation}.{thread}"
    try:
        while True:
            number += 1
            epoch = int((time.monotonic() - me.began) / KEY_SECONDS)
            key, kind = f"{epoch}.{rng.randrange(KEYS)}", rng.choices(KINDS, WEIGHTS)[0]
            word = f"{name}-{number}"
            argument = {"append": word, "refused": word, "append_at": (max(0, length + rng.randrange(2)), word)}.get(
                kind
            )
            asked = {"client": name, "n": number, "key": key, "kind": kind, "argument": argument}
            _write(journal, asked)
            ended: dict[str, Any]
            try:
                result = _do(state, key, kind, argument, is_closure=rng.random() < CLOSURES)
                length = len(result)
                ended = {"result": result}
            except OutcomeUnknown as error:
                ended = {"unknown": type(error).__name__}
            except (UnavailableError, ConflictError) as error:
                ended = {"failed": type(error).__name__}
            _write(journal, {"client": name, "n": number, **ended})
    except BaseException:
        _write(journal, {"client": name, "n": number, "broken": traceback.format_exc()})
        os._exit(3)


def _prune(state: StateFiles) -> None:
    try:
        while True:
            time.sleep(PRUNE_SECONDS)
            with suppress(UnavailableError):
                state.prune("log", keep_generations=KEEP_GENERATIONS, keep_seconds=KEEP_SECONDS)
    except BaseException:
        traceback.print_exc()
        os._exit(3)


def _write(journal: int, line: dict[str, Any]) -> None:
    os.write(journal, json.dumps({**line, "at": time.monotonic()}).encode() + b"\n")


def _do(state: StateFiles, key: str, kind: str, argument: Any, *, is_closure: bool) -> list[str]:
    if kind == "read":
        return read(state, key)
    call = change(key=key, kind=kind, argument=argument)
    return state.commit("log", call.__call__ if is_closure else call)


@registered("histories.change")
def change(tx: Tx, *, key: str, kind: str, argument: Any) -> list[str]:
    return _change(tx.db, key, kind, argument)


def read(state: StateFiles, key: str) -> list[str]:
    with state.read("log") as db:
        return _words(db, key)


def _change(db: Any, key: str, kind: str, argument: Any) -> list[str]:
    words = _words(db, key)
    if kind == "take":
        db.execute("DELETE FROM log.words WHERE key = ?", [key])
    if kind in ("append", "refused") or (kind == "append_at" and argument[0] == len(words)):
        word = argument[1] if kind == "append_at" else argument
        db.execute("INSERT INTO log.words VALUES (?, ?, ?)", [key, len(words), word])
        words = [*words, word]
    if kind == "refused":
        raise Refused("it says no")
    return words


def _words(db: Any, key: str) -> list[str]:
    return [word for (word,) in db.execute("SELECT word FROM log.words WHERE key = ? ORDER BY place", [key]).fetchall()]


class Broken(AssertionError):
    """An operation raised what no caller need expect, or a journal cannot be read."""


def operations(folder: Path) -> tuple[list[Operation], dict[str, int]]:
    """The history of all journals of a folder, and how many operations ended how. Raises Broken."""
    history, counts = [], dict.fromkeys(("answered", "unknown", "failed", "killed"), 0)
    for journal in sorted(folder.iterdir()):
        asked: dict[tuple[str, int], dict[str, Any]] = {}
        for line in journal.read_bytes().split(b"\n"):
            with suppress(json.JSONDecodeError):  # the line during which its process was killed
                entry = json.loads(line)
                place = entry["client"], entry["n"]
                if "broken" in entry:
                    raise Broken(entry["broken"])
                if "kind" in entry:
                    asked[place] = entry
                    continue
                before = asked.pop(place)
                if "failed" in entry:
                    counts["failed"] += 1
                elif "unknown" in entry:
                    counts["unknown"] += 1
                    history.append(_operation(before, None))
                else:
                    counts["answered"] += 1
                    history.append(_operation(before, entry))
        counts["killed"] += len(asked)
        history += [_operation(before, None) for before in asked.values() if before["kind"] != "refused"]
    return history, counts


def _operation(asked: dict[str, Any], ended: dict[str, Any] | None) -> Operation:
    argument = asked["argument"]
    return Operation(
        asked["key"],
        asked["kind"],
        tuple(argument) if isinstance(argument, list) else argument,
        None if ended is None else tuple(ended["result"]),
        asked["at"],
        None if ended is None else ended["at"],
        asked["client"],
    )
