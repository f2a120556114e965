"""What a hostile server or archive may cost: each ends within seconds of CPU and 300 MB, by its name, and alone."""

from __future__ import annotations

import gzip
import io
import os
import resource
import shutil
import zipfile
import zlib
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from agnes.kernel.errors import AgnesError
from agnes.kernel.git import GitDamaged, GitRefused
from agnes.marketplace import npm
from agnes.marketplace.archives import Archive, ArchiveSnapshot
from agnes.marketplace.limits import MAX_ARCHIVE_BYTES
from agnes.marketplace.sources import SourceInvalid
from agnes.outside.git import DulwichGit
from agnes.outside.web import SafeWeb
from agnes.trees import git_objects as git
from tests.builders.patience import PATIENCE_SECONDS
from tests.builders.raw_git import FLUSH, GitAnswers, RawRepository, one_commit, pkt, raw_tree
from tests.builders.web_server import WebServer

pytestmark = pytest.mark.slow

ALLOW = frozenset({"http", "private", "file"})
FILE, FOLDER = 0o100644, 0o40000
CPU_SECONDS = 120.0
"""For any one of them; most take a tenth of a second. Unbounded, each took minutes to hours: the kernel ends those."""
MEMORY_BYTES = 300_000_000


def peak() -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def _fetch(url: str, channel: Any, walks: bool) -> None:
    """In a process of its own, which the kernel ends when it takes more than its time."""
    resource.setrlimit(resource.RLIMIT_CPU, (int(CPU_SECONDS) + 5, int(CPU_SECONDS) + 6))
    outcome = "read"
    try:
        with DulwichGit(allow=ALLOW).fetch(
            url, ref="HEAD", token=None, known=None, seconds=PATIENCE_SECONDS
        ) as snapshot:
            if walks:
                sum(1 for _ in snapshot.walk(snapshot.folder("")))
    except AgnesError as exc:
        outcome = f"{exc.code}: {exc.message}"
    channel.put((outcome, peak()))


def fetched(url: str, *, walks: bool = False) -> str:
    """What a fetch ends with, in words."""
    context = get_context("spawn")
    channel = context.Queue()
    child = context.Process(target=_fetch, args=(url, channel, walks))
    child.start()
    try:
        outcome, memory = channel.get(timeout=2 * PATIENCE_SECONDS)
    finally:
        child.kill()
        child.join()
    assert memory < MEMORY_BYTES, outcome
    return outcome


def tree_of(*children: tuple[int, bytes, bytes]) -> bytes:
    return raw_tree(
        [(mode, name, git.object_id(git.TREE if mode == FOLDER else git.BLOB, raw)) for mode, name, raw in children]
    )


def commit_of(tree: bytes, entries: list[bytes]) -> tuple[str, bytes]:
    """(commit, pack) of a root tree and everything else in the pack."""
    text = f"tree {git.object_id(git.TREE, tree)}\nauthor A <a@b> 0 +0000\ncommitter A <a@b> 0 +0000\n\nx\n".encode()
    packed = [git.pack_entry(git.COMMIT, text), git.pack_entry(git.TREE, tree), *entries]
    return git.object_id(git.COMMIT, text), git.pack(packed, len(packed))


def with_entries(*entries: bytes) -> tuple[str, bytes]:
    commit, good = one_commit([(FILE, b"x")])
    packed = [*good, *entries]
    return commit, git.pack(packed, len(packed))


def varint(number: int) -> bytes:
    found = b""
    while number > 127:
        found, number = found + bytes([number & 127 | 128]), number >> 7
    return found + bytes([number])


def on(base: bytes, delta: bytes, *, declared: int | None = None) -> bytes:
    size = len(delta) if declared is None else declared
    return git.entry_header(7, size) + bytes.fromhex(git.object_id(git.BLOB, base)) + zlib.compress(delta, 9)


def endless_size() -> tuple[str, bytes]:
    return with_entries(b"\xbf" + b"\xff" * 20_000_000)


def endless_size_of_a_delta() -> tuple[str, bytes]:
    return with_entries(on(b"x", b"\xff" * 20_000_000))


def endless_offset() -> tuple[str, bytes]:
    return with_entries(git.entry_header(6, 10) + b"\xff" * 20_000_000)


def bomb_in_a_delta() -> tuple[str, bytes]:
    """A stream of 300 MB where 10 bytes are declared; a pack may have a thousand times as much."""
    stream = zlib.compressobj(9)
    body = b"".join(stream.compress(bytes(1 << 20)) for _ in range(300)) + stream.flush()
    return with_entries(git.entry_header(7, 10) + bytes(20) + body)


def many_small_deltas_of_a_large_base() -> tuple[str, bytes]:
    base = bytes(range(256)) * 40_000
    copies = varint(len(base)) + varint(len(base)) + b"".join(
        bytes([0x80 | 1 | 2 | 4 | 8 | 16 | 32 | 64]) + at.to_bytes(4, "little") + min(65_000, len(base) - at).to_bytes(3, "little")
        for at in range(0, len(base), 65_000)
    )  # fmt: skip
    return with_entries(git.pack_entry(git.BLOB, base), *[on(base, copies) for _ in range(60)])


def delta_that_makes_more_than_it_says() -> tuple[str, bytes]:
    base = bytes(65_535)
    return with_entries(
        git.pack_entry(git.BLOB, base), on(base, varint(len(base)) + varint(10) + b"\xb0\xff\xff" * 20_000_000)
    )


def deltas_that_lean_on_each_other() -> tuple[str, bytes]:
    """Neither can be made first."""
    one, two = b"1" * 20, b"2" * 20
    return with_entries(*[
        git.entry_header(7, 4) + other + zlib.compress(b"\x01\x01\x01a") for other in (one, two)
    ])  # fmt: skip


def folder_of_a_million() -> tuple[str, bytes]:
    blob = bytes.fromhex(git.object_id(git.BLOB, b"x"))
    tree = b"".join(b"100644 f%07d\0" % number + blob for number in range(1_000_000))
    return commit_of(tree, [git.pack_entry(git.BLOB, b"x")])


def folders_without_an_end(width: int, depth: int) -> tuple[str, bytes]:
    tree, entries = b"", []
    for _ in range(depth):
        entries.append(git.pack_entry(git.TREE, tree))
        tree = tree_of(*[(FOLDER, b"d%d" % number, tree) for number in range(width)])
    return commit_of(tree, entries)


BOUNDED = [
    (endless_size, "a size of more than 64 bits"),
    (endless_size_of_a_delta, "a size of more than 64 bits"),
    (endless_offset, "an offset of more than 64 bits"),
    (bomb_in_a_delta, "the stream is longer than it says"),
    (many_small_deltas_of_a_large_base, "files are larger than we take"),
    (delta_that_makes_more_than_it_says, "damaged pack"),
    (deltas_that_lean_on_each_other, "deltas of what it lacks"),
]


@pytest.mark.parametrize(("made", "said"), BOUNDED, ids=[made.__name__ for made, _ in BOUNDED])
def test_hostile_packs_end_soon_and_by_name(made, said):
    commit, pack = made()
    with GitAnswers(lambda handler: handler.git(commit, pack)) as server:
        assert said in fetched(server.url())


WALKED = [
    (folder_of_a_million, (), "more entries than we take"),
    (folders_without_an_end, (10, 50), "its folders name more than"),
    (folders_without_an_end, (1, 5_000), "nested more than 200 deep"),
]


@pytest.mark.parametrize(("made", "how", "said"), WALKED, ids=["million", "wide", "deep"])
def test_hostile_folders_end_soon_and_by_name(made, how, said):
    commit, pack = made(*how)
    with GitAnswers(lambda handler: handler.git(commit, pack)) as server:
        assert said in fetched(server.url(), walks=True)


@pytest.mark.parametrize("where", ["refs", "pack"])
def test_packets_of_nothing_are_counted(where):
    """A hundred megabytes of the smallest packets are millions of them."""
    commit, _ = one_commit([])

    def answer(handler):
        is_refs = handler.command == "GET"
        if where == "pack" and is_refs:
            handler.git(commit, b"")
            return
        handler.send_response(200)
        handler.send_header("Content-Type", f"application/x-git-upload-pack-{'advertisement' if is_refs else 'result'}")
        handler.end_headers()
        start = (
            pkt(b"# service=git-upload-pack\n") + FLUSH
            if is_refs
            else pkt(b"shallow " + commit.encode()) + FLUSH + pkt(b"NAK\n")
        )
        line = pkt(b"%s refs/heads/%s\n" % (commit.encode(), b"b")) if is_refs else pkt(b"\x02")
        try:
            handler.wfile.write(start)
            while True:
                handler.wfile.write(line * 10_000)
        except OSError:
            pass

    with GitAnswers(answer) as server:
        outcome = fetched(server.url())
    assert "the server sent more" in outcome


# --- repositories on the disk


@pytest.mark.parametrize(
    "place", ["HEAD", "config", "packed-refs", "refs/heads/main", "objects/info/alternates", "objects/pack/pack-1.idx"]
)
@pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "link to a device", "link to itself"])
def test_a_repository_on_the_disk_never_waits(tmp_path, place, kind):
    repository = RawRepository(tmp_path / "m.git")
    repository.publish(repository.tree([]))
    path = repository.folder / place
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    else:
        os.mkfifo(tmp_path / "pipe")
        target = {"link to a pipe": tmp_path / "pipe", "link to a device": "/dev/zero", "link to itself": path}[kind]
        path.symlink_to(target)
    with (
        pytest.raises(GitRefused) as refused,
        DulwichGit(allow=ALLOW).fetch(repository.url, ref="HEAD", token=None, known=None, seconds=PATIENCE_SECONDS),
    ):
        pass
    assert path.name in refused.value.message


def test_what_a_repository_on_the_disk_names_elsewhere(tmp_path):
    repository, other = RawRepository(tmp_path / "m.git"), RawRepository(tmp_path / "other.git")
    commit = other.publish(other.tree([]))
    (repository.folder / "objects" / "info").mkdir(exist_ok=True)
    (repository.folder / "objects" / "info" / "alternates").write_text(f"{other.folder}/objects\n")
    (repository.folder / "refs" / "heads" / "main").write_text(f"{commit}\n")
    reader = DulwichGit(allow=ALLOW)
    with reader.fetch(repository.url, ref="HEAD", token=None, known=None, seconds=PATIENCE_SECONDS) as snapshot:
        assert snapshot.commit == commit, "a borrowed object is read"
    os.mkfifo(other.folder / "objects" / "pack" / "pack-1.idx")
    with (
        pytest.raises(GitRefused, match=r"pack-1\.idx"),
        reader.fetch(repository.url, ref="HEAD", token=None, known=None, seconds=PATIENCE_SECONDS),
    ):
        pass
    (repository.folder / "objects" / "info" / "alternates").unlink()
    (repository.folder / "config").write_text("[Include]\n\tpath = /dev/zero\n")
    with (
        pytest.raises(GitRefused, match="includes other files"),
        reader.fetch(repository.url, ref="HEAD", token=None, known=None, seconds=PATIENCE_SECONDS),
    ):
        pass


# --- archives


def header(name: bytes, size: bytes, kind: bytes = b"0") -> bytes:
    block = bytearray(512)
    block[:100] = name.ljust(100, b"\0")
    block[100:108], block[108:116], block[116:124] = b"0000644\0", b"0000000\0", b"0000000\0"
    block[124:136], block[136:148], block[148:156] = size.ljust(12, b"\0")[:12], b"00000000000\0", b" " * 8
    block[156:157] = kind
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def extended(record: bytes) -> bytes:
    return (
        header(b"pax", b"%011o" % len(record), b"x") + record + bytes(-len(record) % 512) + header(b"package/x", b"0")
    )


TARS = {
    "negative size": header(b"package/x", b"-0001000"),
    "negative size in base 256": header(b"package/x", b"\xff" * 11 + b"\x00"),
    "negative size behind an empty name": header(b"", b"0") + header(b"package/x", b"-0001000"),
    "negative size of an extended header": extended(b"13 size=-512\n"),
    "digits": extended(b"1" * 8_000),
    "large extended header": extended(b"20 comment=" + b"x" * 1_000_000),
    "many folders": header(b"package/d/", b"0", b"5") * 60_000,
    "absurd size": header(b"package/x", b"\x80" + bytes(3) + b"\x7f" + b"\xff" * 7),
    "no digits": header(b"package/x", b"99999999"),
}


@pytest.mark.parametrize("name", TARS)
def test_hostile_packages_end_soon(name):
    snapshot = npm.NpmSnapshot(_Web(gzip.compress(TARS[name] + bytes(1024))), _release(TARS[name]), 10)
    with pytest.raises((GitDamaged, SourceInvalid)):
        list(snapshot.walk(""))


class _Web:
    def __init__(self, body: bytes) -> None:
        self.body = body

    def fetch(self, _url: str, **_: Any) -> _Web:
        return self


def _release(plain: bytes) -> npm.Release:
    import hashlib

    return npm.Release("x", "1", "https://x", "sha256", hashlib.sha256(gzip.compress(plain + bytes(1024))).hexdigest())


def test_a_zip_of_millions_of_entries_is_not_listed():
    entry = b"PK\x01\x02" + bytes(24) + b"\x01\0" + bytes(16) + b"a"
    count = 2_000_000
    end = b"PK\x05\x06" + bytes(4) + b"\xff\xff\xff\xff" + (len(entry) * count).to_bytes(4, "little") + bytes(6)
    with pytest.raises(SourceInvalid, match="more than 50000 files"):
        list(ArchiveSnapshot(io.BytesIO(entry * count + end), "x").walk(""))


def _archive(url: str, channel: Any) -> None:
    """In a process of its own, whose memory is that of this archive."""
    web = SafeWeb(allow=ALLOW)
    with ArchiveSnapshot.fetched(web, Archive(url, None), seconds=PATIENCE_SECONDS) as snapshot:
        small = [entry for entry in snapshot.walk("") if entry.size_bytes < 1000]
        channel.put(([snapshot.read(entry.oid) for entry in small], peak()))


def test_an_archive_of_the_largest_size_is_read_from_the_disk(tmp_path):
    """256 MB of files that are too large to be served, and one that is."""
    path = tmp_path / "tool.zip"
    with zipfile.ZipFile(path, "w") as made:
        for number in range(24):
            made.writestr(f"tool/large{number}.bin", bytes(11_000_000))
        made.writestr("tool/skills/hello/SKILL.md", b"---\nname: hello\n---\n")
    assert 0.98 * MAX_ARCHIVE_BYTES < path.stat().st_size <= MAX_ARCHIVE_BYTES

    def answer(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(path.stat().st_size))
        handler.end_headers()
        with path.open("rb") as file:
            shutil.copyfileobj(file, handler.wfile)

    context = get_context("spawn")
    channel = context.Queue()
    with WebServer() as web:
        web.answers["/tool.zip"] = answer
        child = context.Process(target=_archive, args=(web.url("/tool.zip"), channel))
        child.start()
        try:
            bodies, memory = channel.get(timeout=2 * PATIENCE_SECONDS)
        finally:
            child.kill()
            child.join()
    assert bodies == [b"---\nname: hello\n---\n"]
    assert memory < MEMORY_BYTES / 2, memory
