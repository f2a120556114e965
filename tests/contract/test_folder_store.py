"""What only the folder store promises: several processes, SIGKILL, plain files."""

from __future__ import annotations

import fcntl
import hashlib
import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnes.kernel.errors import UnavailableError
from agnes.kernel.ports import (
    ABSENT,
    ANYTHING,
    Blob,
    PreconditionFailed,
    Secret,
    TryAgain,
    Unchanged,
)
from agnes.outside.object_store import letter_case
from agnes.outside.object_store.folder import LEFTOVER_SECONDS, FolderStore
from tests.builders.case_folding import CaseFolding
from tests.builders.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.slow

PROCESSES = 8
ROUNDS = 20
STEPS = 25


def folder_store(root: Path, **options) -> FolderStore:
    return FolderStore(root, secret=Secret("s"), base_url="http://agnes.invalid", **options)


def race(root, ready, results):
    """One of several processes: race to create, then add to a common number by swapping."""
    store, won = folder_store(root), []
    for turn in range(ROUNDS):
        ready.wait()
        try:
            store.write(f"race/{turn}", b"%d" % os.getpid(), expect=ABSENT)
            won.append(turn)
        except PreconditionFailed:
            pass
    for _ in range(STEPS):
        while True:
            held = store.read("number.json")
            try:
                store.write("number.json", b"%d" % (int(held.body) + 1), expect=Unchanged(held.version))
                break
            except PreconditionFailed:
                continue
    results.put((os.getpid(), won))


def test_of_racing_processes_one_wins_and_no_swap_is_lost(tmp_path):
    store = folder_store(tmp_path)
    store.write("number.json", b"0", expect=ABSENT)
    spawn = multiprocessing.get_context("spawn")
    ready, results = spawn.Barrier(PROCESSES), spawn.Queue()
    processes = [spawn.Process(target=race, args=(tmp_path, ready, results)) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    winners = dict(results.get(timeout=PATIENCE_SECONDS) for _ in processes)
    for process in processes:
        process.join()
    results.close()
    results.join_thread()
    assert sorted(turn for won in winners.values() for turn in won) == list(range(ROUNDS))
    for pid, won in winners.items():
        for turn in won:
            assert store.read(f"race/{turn}").body == b"%d" % pid
    assert store.read("number.json").body == b"%d" % (PROCESSES * STEPS)


WRITER = textwrap.dedent(
    """
    import sys
    from agnes.kernel.ports import *
    from agnes.outside.object_store.folder import FolderStore
    store = FolderStore(sys.argv[1], secret=Secret("s"), base_url="http://agnes.invalid")
    held = store.read("head.json")
    number, version = int(held.body[:20]), held.version
    while True:
        number += 1
        version = store.write("head.json", b"%020d" % number * 2000, expect=Unchanged(version))
        store.write(f"log/{number}.wal", b"%020d" % number, expect=ABSENT)
        sys.stdout.write(f"{number}\\n")
        sys.stdout.flush()
    """
)


def test_what_a_killed_process_acknowledged_is_there(tmp_path):
    store, rng = folder_store(tmp_path), random.Random(11)
    store.write("head.json", b"%020d" % 0 * 2000, expect=ABSENT)
    acknowledged = []
    for _ in range(8):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE, text=True)
        with writer:
            assert writer.stdout.readline(), "it began"
            time.sleep(rng.uniform(0, 0.05))
            writer.send_signal(signal.SIGKILL)
            said = writer.stdout.read().splitlines()
        head = store.read("head.json").body
        number = int(head[:20])
        assert head == b"%020d" % number * 2000, "an object is whole"
        acknowledged += [int(line) for line in said if line]
        assert number >= max(acknowledged, default=0)
        # The killed one held the lock or not: the next writer goes on.
        store.write("head.json", head, expect=Unchanged(store.read("head.json").version))
        # It may have died between its two writes.
        folder_store(tmp_path).write(f"log/{number}.wal", b"%020d" % number, expect=ANYTHING)
    for number in acknowledged:
        assert store.read(f"log/{number}.wal").body == b"%020d" % number


def test_leftovers_of_a_crash_are_ignored_and_removed_when_old(tmp_path):
    folder_store(tmp_path)
    old, new = tmp_path / "tmp" / "old", tmp_path / "tmp" / "new"
    for path in (old, new):
        path.write_bytes(b"half")
    past = time.time() - LEFTOVER_SECONDS - 1
    os.utime(old, (past, past))
    store = folder_store(tmp_path)
    assert list(store.list("")) == []
    assert not old.exists()
    assert new.exists(), "somebody may be writing it"


def test_a_write_gives_up_on_a_lock_that_is_never_freed(tmp_path):
    store = folder_store(tmp_path, lock_seconds=0.05)
    version = store.write("k", b"old", expect=ABSENT)
    (lock,) = (tmp_path / "locks").iterdir()
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(TryAgain):
            store.write("k", b"new", expect=Unchanged(version))
        assert store.read("k") == Blob(b"old", version), "readers take no lock"
    store.write("k", b"new", expect=Unchanged(version))
    assert not list((tmp_path / "tmp").iterdir())


def test_a_full_disk_is_an_outcome_and_not_a_crash(tmp_path):
    store = folder_store(tmp_path)
    version = store.write("k", b"old", expect=ABSENT)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(TryAgain, match="File too large"):
            store.write("k", b"x" * 5000, expect=Unchanged(version))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert store.read("k") == Blob(b"old", version)
    assert not list((tmp_path / "tmp").iterdir())


def test_a_file_that_is_taken_away_while_it_is_written_is_no_endless_loop(tmp_path):
    store = folder_store(tmp_path)
    url = store.presign_put(
        "up/x", seconds=60, size_bytes=2, sha256_hex=hashlib.sha256(b"ab").hexdigest(), content_type="text/plain"
    )

    def chunks():
        yield b"a"
        (path,) = (tmp_path / "tmp").iterdir()
        path.unlink()
        yield b"b"

    with pytest.raises(TryAgain):
        store.take_presigned(store.open_presigned_url("PUT", url), chunks(), content_type="text/plain")
    assert store.read("up/x") is None


def test_what_the_system_refuses_is_unavailable_and_not_missing(tmp_path):
    store = folder_store(tmp_path)
    (tmp_path / "objects" / "loop~").symlink_to("loop~")
    with pytest.raises(UnavailableError, match="symbolic links"):
        store.read("loop")


def test_versions_never_repeat(tmp_path):
    store = folder_store(tmp_path)
    versions = [store.write("k", b"AB"[turn % 2 :][:1], expect=ANYTHING) for turn in range(300)]
    assert len(set(versions)) == 300


def test_a_version_is_new_even_when_the_clock_was_put_back(tmp_path):
    store = folder_store(tmp_path)
    store.write("k", b"old", expect=ABSENT)
    path = tmp_path / "objects" / "k~"
    tomorrow = time.time_ns() + 86_400 * 10**9
    os.utime(path, ns=(tomorrow, tomorrow))
    old = store.read("k").version
    new = store.write("k", b"new", expect=Unchanged(old))
    assert path.stat().st_mtime_ns == tomorrow + 1
    assert store.read_if_changed("k", old) == Blob(b"new", new)


def test_a_key_may_be_another_keys_folder(tmp_path):
    store = folder_store(tmp_path)
    names = ["a", "a/b", "a/b/c", "x.zip", "x.zip/y.zip", "x.zip/y.zip/z"]
    for name in random.Random(3).sample(names, len(names)):
        store.write(name, name.encode(), expect=ABSENT)
    assert [entry.key for entry in store.list("")] == names
    assert all(store.read(name).body == name.encode() for name in names)
    store.remove(["a", "x.zip/y.zip"])
    assert [entry.key for entry in store.list("")] == ["a/b", "a/b/c", "x.zip", "x.zip/y.zip/z"]


def test_objects_are_plain_files_under_their_names(tmp_path):
    store = folder_store(tmp_path)
    store.write("telemetry/events/day=2026-05-01/x.parquet", b"PAR1", expect=ABSENT)
    path = tmp_path / "objects/telemetry/events/day=2026-05-01/x.parquet"
    assert path.read_bytes() == b"PAR1"
    assert path.stat().st_mode & 0o777 == 0o600
    with store.open_file("telemetry/events/day=2026-05-01/x.parquet") as file:
        store.write("telemetry/events/day=2026-05-01/x.parquet", b"later", expect=ANYTHING)
        assert file.read() == b"PAR1"
    assert store.open_file("telemetry") is None


def test_files_that_are_no_objects_are_not_listed(tmp_path):
    store = folder_store(tmp_path)
    store.write("real.json", b"", expect=ABSENT)
    for stray in (".DS_Store", "two words.json", "unmarked", "backup.json~", "ä.json"):
        (tmp_path / "objects" / stray).write_bytes(b"")
    (tmp_path / "objects" / "link").symlink_to("/etc")
    assert [entry.key for entry in store.list("")] == ["real.json"]


def test_folders_go_with_their_last_object(tmp_path):
    store = folder_store(tmp_path)
    store.write("a/b/c/d", b"", expect=ABSENT)
    store.write("a/x", b"", expect=ABSENT)
    store.remove(["a/b/c/d"])
    assert [path.name for path in (tmp_path / "objects/a").iterdir()] == ["x~"]


def test_writers_and_removers_of_one_folder_do_not_disturb_each_other(tmp_path):
    store, failures = folder_store(tmp_path), []

    def work(name):
        try:
            for _ in range(60):
                version = store.write(f"deep/er/{name}", b"x", expect=ABSENT)
                assert store.read(f"deep/er/{name}") == Blob(b"x", version)
                store.remove([f"deep/er/{name}"])
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=[name]) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert not list((tmp_path / "objects").iterdir())


KEYS = ("A", "a", "a/B", "A/b", "README", "readme", "x.zip", "X.ZIP", "X.zip/y", "01HXYZ/q.json", "aB" * 100, "A" * 200)


def test_keys_that_differ_by_case_live_side_by_side_where_the_file_system_mixes_them_up(tmp_path):
    store = folder_store(tmp_path, system=CaseFolding(tmp_path))
    for key in KEYS:
        store.write(key, key.encode(), expect=ABSENT)
    assert [entry.key for entry in store.list("")] == sorted(KEYS)
    assert {key: store.read(key).body.decode() for key in KEYS} == {key: key for key in KEYS}
    elsewhere = folder_store(tmp_path)
    assert [entry.key for entry in elsewhere.list("")] == sorted(KEYS), "the folder goes to another file system"
    elsewhere.write("New", b"x", expect=ABSENT)
    assert folder_store(tmp_path, system=CaseFolding(tmp_path)).read("New").body == b"x"


def test_a_folder_from_another_file_system_is_converted_and_a_crash_in_between_costs_nothing(tmp_path):
    before = folder_store(tmp_path)
    keys = [key for key in KEYS if key not in ("a", "a/B", "readme", "X.ZIP")]
    versions = {key: before.write(key, key.encode(), expect=ABSENT) for key in keys}
    assert not (tmp_path / "names").exists()

    class Dies(CaseFolding):
        left = 3

        def rename(self, old, new):
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
            super().rename(old, new)

    with pytest.raises(KeyboardInterrupt):
        folder_store(tmp_path, system=Dies(tmp_path))
    after = folder_store(tmp_path, system=CaseFolding(tmp_path))
    assert [entry.key for entry in after.list("")] == sorted(keys)
    assert {key: after.read(key).version for key in keys} == versions


@given(st.lists(st.text("aBc.-Z0", min_size=1, max_size=200), min_size=2, max_size=2, unique=True))
def test_names_without_capitals_stay_apart_and_come_back(names):
    written = [letter_case.encode(name) for name in names]
    assert written[0].casefold() != written[1].casefold()
    assert [letter_case.decode(name) for name in written] == names
    assert all(len(name) < 254 and name == name.lower() for name in written)
