"""The start-up probe passes the stores that we use, and names what is wrong with the others."""

from __future__ import annotations

import time

import pytest

from agnes.kernel.ports import (
    ABSENT,
    ANYTHING,
    Absent,
    Blob,
    NotModified,
    PreconditionFailed,
    StoreUnfit,
    Unchanged,
)
from agnes.outside.object_store.memory import MemoryStore
from agnes.outside.object_store.probe import CONDITIONS, probe

pytestmark = pytest.mark.slow

CHECKS_NO_UPLOADS = {"moto"}  # see test_store_deviations.py


def test_passes_what_we_use(store, request):
    if request.node.callspec.params["store"] in CHECKS_NO_UPLOADS:
        with pytest.raises(StoreUnfit) as unfit:
            probe(store)
        assert unfit.value.facts["condition"] == "takes_only_the_declared_upload"
    else:
        probe(store)
    assert list(store.list("")) == [], "it cleans up"


class OverwritesOnCreate(MemoryStore):
    def write(self, key, body, *, expect, **options):
        return super().write(key, body, expect=ANYTHING if isinstance(expect, Absent) else expect, **options)


class IgnoresIfMatch(MemoryStore):
    def write(self, key, body, *, expect, **options):
        return super().write(key, body, expect=ANYTHING if isinstance(expect, Unchanged) else expect, **options)


class CreatesOnSwap(MemoryStore):
    """MinIO before its issue 21526 was fixed."""

    def write(self, key, body, *, expect, **options):
        if isinstance(expect, Unchanged) and self.read(key) is None:
            expect = ABSENT
        return super().write(key, body, expect=expect, **options)


class ChecksThenWrites(MemoryStore):
    """Lets several win when they come at once."""

    races: type

    def write(self, key, body, *, expect, **options):
        if not isinstance(expect, self.races):
            return super().write(key, body, expect=expect, **options)
        held = self.read(key)
        if (held is not None) if isinstance(expect, Absent) else (held is None or held.version != expect.version):
            raise PreconditionFailed(key)
        time.sleep(0.02)
        return super().write(key, body, expect=ANYTHING, **options)


class RacesToCreate(ChecksThenWrites):
    races = Absent


class RacesToSwap(ChecksThenWrites):
    races = Unchanged


class AlwaysAnswers(MemoryStore):
    def read_if_changed(self, key, version):
        return self.read(key)


class NeverChanged(MemoryStore):
    def read_if_changed(self, key, version):
        return NotModified()


class ReadsLate(MemoryStore):
    """Eventually consistent: a read sees the object before the last one."""

    def __init__(self):
        super().__init__()
        self.before = {}

    def write(self, key, body, **options):
        self.before[key] = super().read(key)
        return super().write(key, body, **options)

    def read(self, key):
        return self.before.get(key)


class ListsByFolder(MemoryStore):
    def list(self, prefix, *, after=""):
        return iter(sorted(super().list(prefix, after=after), key=lambda entry: entry.key.split("/")))


class ListsWithoutAfter(MemoryStore):
    def list(self, prefix, *, after=""):
        return super().list(prefix)


class IgnoresCase(MemoryStore):
    def write(self, key, body, **options):
        return super().write(key.lower(), body, **options)

    def read(self, key):
        return super().read(key.lower())


class KeepsRemoved(MemoryStore):
    def remove(self, keys):
        pass


class TakesAnyUpload(MemoryStore):
    def take_presigned(self, put, chunks, *, content_type):
        return self.write(put.key, b"".join(chunks), expect=ANYTHING)


class RefusesUploads(MemoryStore):
    def take_presigned(self, put, chunks, *, content_type):
        return super().take_presigned(put, [b"?"], content_type=content_type)


class SignsByASlowClock(MemoryStore):
    def presign_get(self, key, *, seconds, **options):
        return super().presign_get(key, seconds=seconds - 60, **options)


UNFIT = {
    OverwritesOnCreate: "creates_once",
    IgnoresIfMatch: "refuses_stale_swap",
    CreatesOnSwap: "refuses_swap_of_nothing",
    RacesToCreate: "create_race_has_one_winner",
    RacesToSwap: "swap_race_has_one_winner",
    AlwaysAnswers: "reads_if_changed",
    NeverChanged: "reads_if_changed",
    ReadsLate: "reads_what_was_written",
    ListsByFolder: "lists_in_key_order",
    ListsWithoutAfter: "lists_in_key_order",
    IgnoresCase: "lists_in_key_order",
    KeepsRemoved: "removes",
    TakesAnyUpload: "takes_only_the_declared_upload",
    SignsByASlowClock: "serves_a_download",
    RefusesUploads: "takes_only_the_declared_upload",
}


@pytest.mark.parametrize("kind", UNFIT, ids=lambda kind: kind.__name__)
def test_names_the_broken_condition(kind):
    with pytest.raises(StoreUnfit) as unfit:
        probe(kind())
    assert unfit.value.facts["condition"] == UNFIT[kind]
    assert unfit.value.code == "store_unfit"
    assert unfit.value.hint


def test_every_condition_can_fail():
    assert set(UNFIT.values()) == {condition.__name__.strip("_") for condition in CONDITIONS}


def test_blobs_compare_by_bytes_and_version():
    store = MemoryStore()
    version = store.write("k", b"x", expect=ABSENT)
    assert store.read("k") == Blob(b"x", version)
