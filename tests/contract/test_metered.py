"""What a metered store counts is what S3 was asked: compared with the requests that really went out."""

from __future__ import annotations

import mmap
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agnes.kernel.metering import Calls, measured
from agnes.kernel.ports import ABSENT, ANYTHING, Message, PreconditionFailed, Secret, Unchanged, Version
from agnes.outside.metered import BATCH, PAGE_SIZE, PART_BYTES, MeteredQueue, MeteredSecrets, MeteredStore
from agnes.outside.object_store import s3
from agnes.outside.object_store.s3 import S3Store
from tests.contract.stores import BUCKET, S3Server


class Wire:
    """Requests of a client by price class, as they leave it."""

    def __init__(self, store: S3Store) -> None:
        self.seen: Counter[str] = Counter()
        store._client.meta.events.register("before-send.s3", self._note)

    def _note(self, request: Any, **_: Any) -> None:
        query = request.url.partition("?")[2]
        match request.method:
            case "GET":
                self.seen["lists" if "list-type=2" in query else "gets"] += 1
            case "POST":
                self.seen["removals" if query.startswith("delete") else "puts"] += 1
            case "PUT":
                self.seen["puts"] += 1


@pytest.fixture
def metered(moto: S3Server) -> Iterator[tuple[MeteredStore, Wire]]:
    store = S3Store(
        BUCKET,
        prefix="metered",
        endpoint_url=moto.endpoint,
        region="us-east-1",
        access_key_id=moto.user,
        secret_access_key=moto.password,
    )
    yield MeteredStore(store), Wire(store)
    store.remove([entry.key for entry in store.list("")])


def counted(calls: Calls) -> dict[str, int]:
    return {name: n for name in ("gets", "puts", "lists", "removals") if (n := getattr(calls, name))}


def test_the_metered_store_knows_how_the_adapter_cuts():
    assert (PART_BYTES, PAGE_SIZE) == (s3.PART_BYTES, s3.PAGE_SIZE)


def test_reads_and_writes_of_every_outcome(metered: tuple[MeteredStore, Wire], tmp_path: Path):
    store, wire = metered
    with measured() as calls:
        version = store.write("a", b"12345", expect=ABSENT)
        with pytest.raises(PreconditionFailed):
            store.write("a", b"123", expect=ABSENT)
        with pytest.raises(PreconditionFailed):
            store.write("a", b"123", expect=Unchanged(Version("0" * 32)))
        store.read("a")
        store.read_if_changed("a", version)
        store.read("absent")
        assert store.download("a", tmp_path / "a")
        assert not store.download("absent", tmp_path / "b")
        store.remove(["a", "absent"])
    assert counted(calls) == dict(wire.seen) == {"gets": 5, "puts": 3, "removals": 1}
    assert (calls.bytes_read, calls.bytes_written) == (10, 11)


@pytest.mark.parametrize("size", [0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES])
def test_writes_in_pieces(metered: tuple[MeteredStore, Wire], size: int):
    store, wire = metered
    with measured() as calls:
        store.write_pieces("big", [b"x" * size])
    assert counted(calls) == dict(wire.seen)


@pytest.mark.parametrize("size", [1, PART_BYTES, PART_BYTES + 1])
def test_mapped_files(metered: tuple[MeteredStore, Wire], tmp_path: Path, size: int):
    store, wire = metered
    path = tmp_path / "mapped"
    path.write_bytes(b"x" * size)
    with measured() as calls, path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        store.write("mapped", mapped, expect=ANYTHING)
    assert counted(calls) == dict(wire.seen)


@pytest.mark.parametrize(("keys", "pages"), [(0, 1), (3, 1), (5, 1), (6, 2), (11, 3)])
def test_listings_by_page(moto: S3Server, keys: int, pages: int):
    inner = S3Store(
        BUCKET,
        prefix=f"pages{keys}",
        endpoint_url=moto.endpoint,
        region="us-east-1",
        access_key_id=moto.user,
        secret_access_key=moto.password,
        page_size=5,
    )
    store, wire = MeteredStore(inner, page_size=5), Wire(inner)
    for number in range(keys):
        store.write(f"k/{number:02}", b"", expect=ANYTHING)
    wire.seen.clear()
    with measured() as calls:
        assert len(list(store.list("k/"))) == keys
        next(iter(store.list("k/")), None)  # one that is left after its first key
        store.remove([f"k/{number:02}" for number in range(keys)])
    assert wire.seen["lists"] == calls.lists == pages + 1
    assert wire.seen["removals"] == calls.removals == -(-keys // 5)


def test_urls_that_are_handed_out_ask_nobody(metered: tuple[MeteredStore, Wire]):
    store, wire = metered
    with measured() as calls:
        assert "X-Amz-Signature" in store.presign_get("a", seconds=5)
        url = store.presign_put("a", seconds=5, size_bytes=1, sha256_hex="00" * 32, content_type="text/plain")
        assert "X-Amz-Signature" in url
    assert not wire.seen
    assert (calls.handed_gets, calls.handed_puts) == (1, 1)


class Told:
    def __init__(self) -> None:
        self.sent: list[Message] = []

    def send(self, messages: Any) -> None:
        self.sent += messages

    def again(self, record: Any) -> None:
        self.sent.append(Message("again", dict(record)))


def test_messages_go_by_tens_and_by_queue():
    inner = Told()
    with measured() as calls:
        MeteredQueue(inner).send(Message("ab"[n % 2], {"n": n}) for n in range(2 * BATCH + 2))
        MeteredQueue(inner).again({"receiptHandle": "r"})
    assert calls.messages == 2 + 2 + 1
    assert len(inner.sent) == 2 * BATCH + 3


def test_secrets(tmp_path: Path):
    from agnes.outside.secrets_file import SecretsFile

    secrets = MeteredSecrets(SecretsFile(tmp_path / "secrets.json"))
    with measured() as calls:
        assert secrets.get("a") is None
        secrets.put("a", Secret("1"))
        assert secrets.add("a", Secret("2")) == Secret("1")
        secrets.remove("a")
    assert calls.secrets == 4
