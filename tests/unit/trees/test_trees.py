"""A stored tree is what git and zip would make of the same files."""

import subprocess
import threading
import time
import zlib
from datetime import UTC, datetime

import pytest

from agnes.kernel.clock import FixedClock
from agnes.outside.object_store.memory import MemoryStore
from agnes.trees import git_objects as git
from agnes.trees import packaging, service
from agnes.trees.model import TreeFile
from agnes.trees.rules import UnsafePath, check_files, check_path
from tests.builders.patience import PATIENCE_SECONDS
from tests.builders.slow_store import SlowStore

FILES = (
    TreeFile("README.md", b"# finops\n"),
    TreeFile("hooks/run.sh", b"#!/bin/sh\necho hi\n", executable=True),
    TreeFile("skills/forecast/SKILL.md", b"---\nname: forecast\n---\n" * 40),
    TreeFile("skills/forecast.md", b""),
    TreeFile("skills/forecast/copy.md", b"# finops\n"),
)


@pytest.mark.git
def test_git_reads_the_tree_as_it_was_stored(tmp_path):
    tree, pack = service.build(FILES)
    whole = git.pack([pack], len(tree.objects))
    repo = tmp_path / "repo"
    subprocess.run(["git", "init", "-q", "--bare", repo], check=True)
    subprocess.run(
        ["git", "-C", repo, "index-pack", "--stdin", "--strict"], input=whole, check=True, capture_output=True
    )
    listed = subprocess.run(
        ["git", "-C", repo, "ls-tree", "-r", tree.git_oid], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    assert [line.split("\t")[1] for line in listed] == sorted(f.path for f in FILES)
    modes = {line.split("\t")[1]: line.split()[0] for line in listed}
    assert modes["hooks/run.sh"] == "100755"
    assert modes["README.md"] == "100644"
    shown = subprocess.run(
        ["git", "-C", repo, "cat-file", "blob", f"{tree.git_oid}:skills/forecast/SKILL.md"],
        check=True,
        capture_output=True,
    ).stdout
    assert shown == FILES[2].body


def test_a_file_can_be_read_back_and_its_stream_is_plain_zlib():
    store = MemoryStore()
    tree = service.put(store, FILES)
    pack = service.read_pack(store, tree.id)
    for file in FILES:
        assert service.read_file(store, tree.id, file.path) == file.body
    for entry in tree.files:
        body = zlib.decompress(pack[entry.offset : entry.offset + entry.length])
        assert (len(body), zlib.crc32(body)) == (entry.size_bytes, entry.crc32)


def test_the_id_depends_on_content_and_mode_and_not_on_order():
    ids = {service.tree_id(FILES), service.tree_id(FILES[::-1])}
    assert len(ids) == 1
    assert service.tree_id([TreeFile("a", b"1")]) != service.tree_id([TreeFile("a", b"1", executable=True)])


def test_storing_again_gives_the_same_and_makes_it_young():
    """What is young is never collected as garbage (`agnes.feed.sweeping`)."""
    clock = FixedClock(datetime(2026, 11, 23, tzinfo=UTC))
    store = MemoryStore(clock=clock)
    first = service.put(store, FILES)
    before = [(e.key, e.version) for e in store.list("trees/")]
    clock.sleep(60)
    assert service.put(store, FILES) == first
    assert [(e.key, e.version) for e in store.list("trees/")] == before
    assert {e.modified_at for e in store.list("trees/")} == {clock.now()}


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "empty"),
        ("/etc/passwd", "absolute"),
        ("../x", "leaves its folder"),
        ("a/../b", "leaves its folder"),
        ("a//b", "empty segment"),
        ("./a", "empty segment"),
        ("a\\b", "contains"),
        ("C:/x", "contains"),
        (".git/config", "git metadata"),
        ("a/.GIT/hooks/x", "git metadata"),
        ("git~1/config", "git metadata"),
        ("nul", "device name"),
        ("docs/COM1.txt", "device name"),
        ("docs/COM¹.txt", "device name"),
        ("lpt³", "device name"),
        ("CONIN$", "device name"),
        ("conout$.log", "device name"),
        ("con .txt", "device name"),
        ("com0", "device name"),
        ("a.", "dot or a space"),
        ("a /b", "dot or a space"),
        ("evil\u202efdp.md", "direction-changing"),
        ("zero\u200bwidth", "invisible"),
        ("new\nline", "invisible or control"),
        ("x" * 300, "longer than"),
        ("/".join("a" * 30), "deeper than"),
    ],
)
def test_refuses_an_unsafe_path(path, reason):
    with pytest.raises(UnsafePath, match=reason):
        check_path(path)


@pytest.mark.parametrize(
    ("paths", "reason"),
    [
        (["a.md", "A.md"], "same name as a.md"),
        (["caf\u00e9", "cafe\u0301"], "same name"),
        (["docs/a", "Docs/b"], "same folder as docs"),
        (["a", "a/b"], "a file and a folder"),
        (["A/b", "a"], "a file and a folder"),
    ],
)
def test_refuses_names_that_collide_elsewhere(paths, reason):
    with pytest.raises(UnsafePath, match=reason):
        check_files([TreeFile(path, b"") for path in paths])


def test_the_version_changes_when_and_only_when_the_content_does():
    one = packaging.package(name="finops", files=FILES, upstream_version="1.2.0")
    assert one.version.startswith("1.2.0+")
    assert packaging.package(name="finops", files=FILES[::-1], upstream_version="1.2.0").version == one.version
    for changed in (
        [*FILES[1:], TreeFile("README.md", b"# Finops\n")],
        [*FILES[1:], TreeFile("README.md", FILES[0].body, executable=True)],
        FILES[1:],
    ):
        assert packaging.package(name="finops", files=changed, upstream_version="1.2.0").version != one.version


def test_the_manifest_carries_its_own_name_and_the_stamped_version():
    upstream = TreeFile(packaging.MANIFEST, b'{"name": "other", "version": "2.0.0", "hooks": "./h.json"}')
    made = packaging.package(name="finops", files=[upstream, TreeFile(".agnes/x", b""), *FILES])
    assert made.manifest["name"] == made.entry["name"] == "other"
    assert made.manifest["version"] == made.version
    assert (
        packaging.package(name="finops", files=[TreeFile(packaging.MANIFEST, b'{"name": "a b"}')]).manifest["name"]
        == "finops"
    )
    assert made.version.startswith("2.0.0+")
    assert made.manifest["hooks"] == "./h.json"
    assert ".agnes/x" not in [f.path for f in made.files]


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_refuses_a_broken_manifest(body):
    with pytest.raises(packaging.ManifestInvalid):
        packaging.package(name="x", files=[TreeFile(packaging.MANIFEST, body)])


class WaitedFor(MemoryStore):
    """Answers the first index after a while, and the others when all are asked for at once."""

    def __init__(self, others: int) -> None:
        super().__init__()
        self._first = threading.Event()
        self._together = threading.Barrier(others)

    def read(self, key):
        if self._first.is_set():
            self._together.wait(PATIENCE_SECONDS)
        else:
            time.sleep(2 * service.WORTH_A_THREAD_SECONDS)
            self._first.set()
        return super().read(key)


def test_indexes_are_read_side_by_side_where_the_store_is_waited_for():
    store = WaitedFor(others=4)
    ids = [service.put(store, [TreeFile("README.md", b"%d" % n)]).id for n in range(5)]
    assert [tree.id for tree in service.get_all(store, ids)] == ids


def test_all_that_is_damaged_is_named_however_it_is_read():
    store = SlowStore(MemoryStore(), get_seconds=2 * service.WORTH_A_THREAD_SECONDS, put_seconds=0)
    ids = [service.put(store, [TreeFile("README.md", b"%d" % n)]).id for n in range(5)]
    store.remove([service.index_key(ids[1]), service.index_key(ids[3])])
    with pytest.raises(service.TreeDamaged) as failed:
        service.get_all(store, ids)
    assert set(failed.value.found) == {ids[1], ids[3]}
