"""What every object store must do: one suite over memory, folder, moto, LocalStack and MinIO."""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from mmap import ACCESS_READ, mmap

import pytest

from agnes.kernel.errors import InvalidError
from agnes.kernel.ports import (
    ABSENT,
    ANYTHING,
    Blob,
    NotModified,
    PreconditionFailed,
    TryAgain,
    Unchanged,
    Version,
)
from tests.contract.stores import BUCKET, SECRETS


def keys(entries) -> list[str]:
    return [entry.key for entry in entries]


def test_reads_what_was_written(store):
    version = store.write("a/b.json", b"body", expect=ANYTHING, content_type="application/json")
    assert store.read("a/b.json") == Blob(b"body", version)


def test_reads_none_for_a_missing_key(store):
    assert store.read("nothing/here") is None
    assert store.read_if_changed("nothing/here", Version("0" * 32)) is None


@pytest.mark.parametrize("size_bytes", [0, 1, 70_000, 3_000_000])
def test_keeps_bytes_exactly(store, size_bytes):
    body = bytes(range(256)) * (size_bytes // 256 + 1)
    version = store.write("blob", body[:size_bytes], expect=ABSENT)
    assert store.read("blob") == Blob(body[:size_bytes], version)


def test_takes_a_mapped_file(store, tmp_path):
    """Large bodies are sent from the disk."""
    path = tmp_path / "large"
    path.write_bytes(bytes(range(256)) * 8000)
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as mapped:
        version = store.write("mapped", mapped, expect=ANYTHING)
    assert store.read("mapped") == Blob(path.read_bytes(), version)


@pytest.mark.parametrize("expect", [ABSENT, ANYTHING], ids=["in-one", "in-parts"])
@pytest.mark.slow
def test_takes_a_large_mapped_file(store, tmp_path, expect):
    path = tmp_path / "large"
    path.write_bytes(b"".join(number.to_bytes(4, "big") for number in range(3 * 1024 * 1024)))
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as mapped:
        version = store.write("large", mapped, expect=expect, content_type="text/csv")
    blob = store.read("large")
    assert blob.version == version
    assert blob.body == path.read_bytes()
    assert [(entry.size_bytes, entry.version) for entry in store.list("large")] == [(len(blob.body), version)]


def test_reads_only_if_changed(store):
    old = store.write("k", b"old", expect=ABSENT)
    assert store.read_if_changed("k", old) == NotModified()
    new = store.write("k", b"new", expect=Unchanged(old))
    assert store.read_if_changed("k", old) == Blob(b"new", new)
    assert new != old


def test_a_create_on_an_existing_key_conflicts(store):
    store.write("k", b"first", expect=ABSENT)
    with pytest.raises(PreconditionFailed) as refused:
        store.write("k", b"second", expect=ABSENT)
    assert refused.value.key == "k"
    assert store.read("k").body == b"first"


def test_a_stale_swap_conflicts(store):
    old = store.write("k", b"old", expect=ABSENT)
    store.write("k", b"new", expect=Unchanged(old))
    with pytest.raises(PreconditionFailed):
        store.write("k", b"stale", expect=Unchanged(old))
    assert store.read("k").body == b"new"


def test_a_swap_of_a_missing_key_conflicts(store):
    version = store.write("other", b"x", expect=ABSENT)
    with pytest.raises(PreconditionFailed):
        store.write("k", b"x", expect=Unchanged(version))
    assert store.read("k") is None


def test_a_swap_of_a_removed_key_conflicts(store):
    version = store.write("k", b"x", expect=ABSENT)
    store.remove(["k"])
    with pytest.raises(PreconditionFailed):
        store.write("k", b"y", expect=Unchanged(version))
    store.write("k", b"z", expect=ABSENT)
    assert store.read("k").body == b"z"


def test_anything_overwrites(store):
    store.write("k", b"one", expect=ANYTHING)
    version = store.write("k", b"two", expect=ANYTHING)
    assert store.read("k") == Blob(b"two", version)


@pytest.mark.parametrize("kind", ["create", "swap"])
def test_of_racing_writers_one_wins(store, kind):
    for turn in range(5):
        key = f"race/{turn}"
        expect = ABSENT if kind == "create" else Unchanged(store.write(key, b"start", expect=ABSENT))
        ready = threading.Barrier(8)

        def race(writer, key=key, expect=expect, ready=ready):
            ready.wait()
            while True:
                try:
                    return store.write(key, b"writer %d" % writer, expect=expect)
                except PreconditionFailed:
                    return None
                except TryAgain:
                    continue

        with ThreadPoolExecutor(8) as pool:
            versions = list(pool.map(race, range(8)))
        won = [writer for writer in range(8) if versions[writer]]
        assert len(won) == 1
        assert store.read(key) == Blob(b"writer %d" % won[0], versions[won[0]])


def test_lists_by_prefix_in_key_order(store):
    names = ["A", "a-b", "a.c", "a/b", "a/c.d", "a/c/d", "a0", "b", "b=1/x.parquet", "b=2/y.parquet"]
    for name in reversed(names):
        store.write(f"l/{name}", name.encode(), expect=ABSENT)
    store.write("m/x", b"", expect=ABSENT)
    assert keys(store.list("l/")) == [f"l/{name}" for name in names]
    assert keys(store.list("l/a")) == [f"l/{name}" for name in names if name.startswith("a")]
    assert keys(store.list("l/a/")) == ["l/a/b", "l/a/c.d", "l/a/c/d"]
    assert keys(store.list("l/b=")) == ["l/b=1/x.parquet", "l/b=2/y.parquet"]
    assert keys(store.list("")) == [*(f"l/{name}" for name in names), "m/x"]
    assert keys(store.list("nothing/")) == []


@pytest.mark.parametrize("after", ["l/a", "l/a/b", "l/a/c", "l/a/c/", "l/a0", "l/c=", "l/c=1/x", "l/z", "a", "z"])
def test_lists_after_a_key(store, after):
    names = ["l/A", "l/a-b", "l/a/b", "l/a/c.d", "l/a/c/d", "l/a0", "l/b", "l/c=1/x", "l/c=1/y", "l/c=2/x"]
    for name in names:
        store.write(name, b"x", expect=ABSENT)
    assert keys(store.list("l/", after=after)) == [name for name in names if name > after]


def test_a_listing_tells_size_version_and_time(store):
    version = store.write("l/x", b"12345", expect=ABSENT)
    (entry,) = store.list("l/")
    assert (entry.key, entry.size_bytes, entry.version) == ("l/x", 5, version)
    assert abs(entry.modified_at - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.slow
def test_lists_more_than_a_page(store):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: store.write(f"many/n={n:03}", b"", expect=ANYTHING), range(170)))
    names = [f"many/n={n:03}" for n in range(170)]
    assert keys(store.list("many/")) == names
    assert keys(store.list("many/", after="many/n=007")) == names[8:]
    store.remove(names)
    assert keys(store.list("many/")) == []


def test_removes_idempotently(store):
    store.write("r/x", b"x", expect=ABSENT)
    store.write("r/y", b"y", expect=ABSENT)
    store.remove(["r/x", "r/never"])
    store.remove(["r/x"])
    store.remove([])
    assert store.read("r/x") is None
    assert keys(store.list("r/")) == ["r/y"]


@pytest.mark.parametrize(
    "key",
    [
        *("", "/a", "a/", "a//b", ".", "..", "a/../b", "a/.", "a b", "ä", "a\n", "a\0b", "a\\b", "~", "a%2e"),
        "x" * 201,
        "/".join(["x" * 100] * 10),
    ],
)
def test_refuses_what_is_not_a_key(store, key):
    for attempt in (
        lambda: store.read(key),
        lambda: store.write(key, b"", expect=ANYTHING),
        lambda: store.remove([key]),
        lambda: store.presign_get(key, seconds=1),
        lambda: store.presign_put(key, seconds=1, size_bytes=0, sha256_hex="00" * 32, content_type="a/b"),
    ):
        with pytest.raises(InvalidError):
            attempt()


@pytest.mark.parametrize("prefix", ["/", "a//", "../", "a/../", "a b", "~"])
def test_refuses_what_is_not_a_prefix(store, prefix):
    with pytest.raises(InvalidError):
        list(store.list(prefix))


@pytest.mark.parametrize(
    "key", ["a", ".hidden", "...", "A-b_c.D=e@f+g/1", "x" * 200, "/".join(["x" * 99] * 9), "day=2026-01-01/a.parquet"]
)
def test_takes_every_key(store, key):
    version = store.write(key, key.encode(), expect=ABSENT)
    assert store.read(key) == Blob(key.encode(), version)
    assert keys(store.list("")) == [key]
    assert keys(store.list(key)) == [key]


def test_errors_name_the_key_and_no_secret(store):
    store.write("k", b"first", expect=ABSENT)
    with pytest.raises(PreconditionFailed) as refused:
        store.write("k", b"secret body", expect=ABSENT)
    assert "k" in refused.value.message
    assert "secret body" not in str(refused.value)


def test_presigned_urls_do_not_hold_the_secret(store):
    sha256_hex = hashlib.sha256(b"x").hexdigest()
    urls = [
        store.presign_get("k", seconds=60, filename='a "b"\r\nX: y.zip', content_type="application/zip"),
        store.presign_put("k", seconds=60, size_bytes=1, sha256_hex=sha256_hex, content_type="text/plain"),
    ]
    for url in urls:
        assert not any(secret in url for secret in (*SECRETS, "\r", "\n", " "))


def test_pieces_of_any_size_are_one_object(store, tmp_path):
    pieces = [b"", b"a", bytes(range(256)) * 30_000, b"z" * 6_000_000, b"", b"end"]
    assert store.write_pieces("exports/x/whole", iter(pieces)) == sum(map(len, pieces))
    assert store.read("exports/x/whole").body == b"".join(pieces)
    assert store.write_pieces("exports/x/whole", iter([b"new"])) == 3
    assert store.read("exports/x/whole").body == b"new"
    assert store.write_pieces("exports/x/empty", iter(())) == 0
    assert store.read("exports/x/empty").body == b""


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ValueError("no")], ids=["disk", "other"])
def test_pieces_that_fail_leave_nothing(store, error):
    def pieces():
        yield b"x" * 12_000_000
        raise error

    with pytest.raises(type(error)) as raised:
        store.write_pieces("exports/x/failed", pieces())
    assert raised.value is error
    assert store.read("exports/x/failed") is None
    assert list(store.list("")) == []
    if hasattr(store, "_client"):
        assert "Uploads" not in store._client.list_multipart_uploads(Bucket=BUCKET, Prefix=store._prefix)


def test_downloads_to_a_file(store, tmp_path):
    body = bytes(range(256)) * 12_000
    store.write("telemetry/x.parquet", body, expect=ABSENT)
    assert store.download("telemetry/x.parquet", tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == body
    assert not store.download("telemetry/y.parquet", tmp_path / "y")
    assert not (tmp_path / "y").exists()
