"""Backups over small installations: incremental, interrupted, damaged, restored over others. docs/runbooks/backup.md."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agnes.kernel import sealed
from agnes.kernel.clock import FixedClock
from agnes.kernel.errors import UnavailableError
from agnes.kernel.ports import ANYTHING, Blob, Expect, ObjectStore, Secret, Version
from agnes.ops.backup import keeping, model, packs, restoring, taking, unfinished
from agnes.ops.backup.sealing import Passphrase, PassphraseTooShort, PassphraseWrong
from agnes.outside.object_store.memory import MemoryStore
from agnes.outside.secrets_file import SecretsFile
from agnes.state import StateFiles
from agnes.state.head import StateDamaged
from tests.unit.state.bank import CountingStore, balances, deposit, state_files

WORDS = "a passphrase of the operator"
MANY = 300


class StoppingStore(CountingStore):
    """Writes and reads until `left` calls of that verb are used up, then fails as a store that went away."""

    def __init__(self, inner: ObjectStore, *, verb: str, left: int) -> None:
        super().__init__(inner)
        self.verb, self.left = verb, left

    def _count(self, verb: str) -> None:
        if verb == self.verb:
            self.left -= 1
            if self.left < 0:
                raise UnavailableError("the store went away")

    def read(self, key: str) -> Blob | None:
        self._count("read")
        return super().read(key)

    def write(self, key: str, body: bytes, *, expect: Expect, content_type: str = "") -> Version:
        self._count("write")
        return super().write(key, body, expect=expect)

    def download(self, key: str, path: Path) -> bool:
        return self._inner.download(key, path)


@dataclass
class Installation:
    """A store with a toy state file, objects and secrets, and one process over it."""

    folder: Path
    clock: FixedClock
    store: ObjectStore = field(init=False)
    moved: list[tuple[str, str, str]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        self.store = MemoryStore(clock=self.clock)
        self.state = self.process()
        self.secrets = SecretsFile(self.folder / "secrets.json")

    def process(self, store: ObjectStore | None = None) -> StateFiles:
        return state_files(store or self.store, self.folder / "cache", clock=self.clock)

    def filled(self) -> Installation:
        rng = random.Random(7)
        for number in range(MANY):
            self.put(f"sessions/u{number % 7}/s{number:04}/main.jsonl.zst", rng.randbytes(rng.randrange(2000)))
        self.put("trees/empty/entries", b"")
        self.put("telemetry/events/day=2026-11-01/one.parquet", rng.randbytes(packs.LARGE_BYTES + 5))
        self.put("sign-ins/ada", b"a browser's credential")
        self.secrets.put("signing", Secret("signs"))
        self.secrets.put("second_factor", Secret("derives"))
        for amount in range(1, 41):
            self.state.commit("bank", deposit("ada", amount))
        return self

    def put(self, key: str, body: bytes) -> None:
        self.store.write(key, body, expect=ANYTHING)

    def run(self, place: ObjectStore) -> model.Run:
        return model.Run(place, self.clock, self.folder, self.told.append)

    def backup(
        self, place: ObjectStore, store: ObjectStore | None = None, passphrase: Passphrase | None = None
    ) -> model.Manifest:
        self.clock.sleep(1)  # ids are in the order of time, to the second
        source = taking.Source(store or self.store, self.state, self.secrets, "here")
        return taking.take(source, self.run(place), passphrase=passphrase)

    def restore(
        self, place: ObjectStore, store: ObjectStore | None = None, passphrase: Passphrase | None = None, **options
    ) -> restoring.Restored:
        state = self.process(store) if store is not None else self.state
        target = restoring.Target(store or self.store, state, state.names, self.secrets, self.moved.extend)
        return restoring.restore(target, self.run(place), passphrase=passphrase, **options)

    def objects(self) -> dict[str, bytes]:
        keys = [entry.key for entry in self.store.list("") if not model.is_left_out(entry.key)]
        return {key: self.store.read(key).body for key in keys}


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 11, 30, 12, 0, tzinfo=UTC))


@pytest.fixture
def place(clock: FixedClock) -> MemoryStore:
    return MemoryStore(clock=clock)


@pytest.fixture
def old(tmp_path: Path, clock: FixedClock) -> Iterator[Installation]:
    made = Installation(tmp_path / "old", clock).filled()
    yield made
    made.state.close()


@pytest.fixture
def new(tmp_path: Path, clock: FixedClock) -> Iterator[Installation]:
    made = Installation(tmp_path / "new", clock)
    yield made
    made.state.close()


def test_everything_comes_back_and_nothing_that_is_left_out(old, new, place) -> None:
    made = old.backup(place)
    done = new.restore(place)
    assert new.objects() == old.objects()
    assert balances(new.state) == {"ada": sum(range(1, 41))}
    assert new.store.read("sign-ins/ada") is None
    assert done.generations == {"bank": old.state.generation("bank") + 1}
    assert made.is_exact
    assert made.cut["bank"].generation == old.state.generation("bank")
    assert (made.objects, done.written) == (MANY + 2 + len(list(new.store.list("state/bank/0"))), MANY + 2)
    with new.state.read("bank") as db:
        [(action, params)] = db.execute("SELECT action, resource FROM bank.audit").fetchall()
    assert (action, params) == ("backup.restore", f"backup:{made.id}")
    assert {(key, before) for key, before, _ in new.moved} == {
        (entry.key, entry.version.tag) for entry in old.store.list("sessions/")
    }


def test_a_restored_installation_goes_on(old, new, place) -> None:
    old.backup(place)
    new.restore(place)
    for _ in range(60):
        new.state.commit("bank", deposit("bob", 1))
    new.state.prune("bank", keep_seconds=0)
    assert balances(new.process()) == {"ada": sum(range(1, 41)), "bob": 60}
    assert new.state.check("bank").problem == ""


def test_the_next_backup_reads_and_stores_what_has_changed_only(old, place) -> None:
    old.backup(place)
    old.put("sessions/u1/s0001/main.jsonl.zst", b"grown")
    old.put("sessions/u8/s9999/main.jsonl.zst", b"new")
    old.put("sessions/u2/s0002/main.jsonl.zst", old.store.read("sessions/u2/s0002/main.jsonl.zst").body)
    old.store.remove(["sessions/u3/s0003/main.jsonl.zst"])
    counted = CountingStore(old.store)
    second = old.backup(place, store=counted)
    read = {key for verb, key, _ in counted.calls if verb == "read" and key.startswith("sessions/")}
    assert read == {"sessions/u1/s0001/main.jsonl.zst", "sessions/u8/s9999/main.jsonl.zst"}
    assert second.added_bytes < 20_000
    assert [manifest.id for manifest in model.manifests(place)][-1] == second.id


def test_each_backup_can_be_restored(old, new, place, clock) -> None:
    before = old.objects()
    first = old.backup(place)
    clock.sleep(3600)
    old.put("sessions/u1/s0001/main.jsonl.zst", b"grown")
    old.state.commit("bank", deposit("ada", 1000))
    old.backup(place)
    new.restore(place, backup=first.id)
    assert new.objects() == before
    assert balances(new.state) == {"ada": sum(range(1, 41))}


def test_an_interrupted_backup_goes_on(old, new, place) -> None:
    with pytest.raises(UnavailableError, match="went away"):
        old.backup(StoppingStore(place, verb="write", left=4))  # the lease, the note, two packs
    assert model.manifests(place) == []
    kept = {entry.key for entry in place.list(model.PACKS)}
    assert kept
    old.clock.sleep(model.LEASE_SECONDS)  # it could not be given back
    made = old.backup(place)
    assert kept <= {entry.key for entry in place.list(model.PACKS)}
    assert [entry.key for entry in place.list("backups/") if f"/{made.id}/" not in entry.key] == []
    new.restore(place)
    assert new.objects() == old.objects()


def test_lines_of_an_interrupted_backup_are_not_read_again(old, place) -> None:
    """Its segments were stored before it ended: here, it lost nothing but the manifest."""
    made = old.backup(place)
    place.remove([made.key])
    counted = CountingStore(old.store)
    again = old.backup(place, store=counted)
    assert [key for verb, key, _ in counted.calls if verb == "read" and key.startswith("sessions/")] == []
    assert [manifest.id for manifest in model.manifests(place)] == [again.id]


def test_an_installation_is_replaced_only_if_the_operator_says_so(old, new, place) -> None:
    old.backup(place)
    new.put("sessions/u1/s0001/main.jsonl.zst", b"of the new one")
    new.put("sessions/z/other/main.jsonl.zst", b"of the new one")
    new.put("sign-ins/eve", b"a browser's credential")
    new.state.commit("bank", deposit("eve", 5))
    with pytest.raises(model.NotEmpty, match=r"state/bank/head.json, sessions/u1/s0001/main.jsonl.zst") as refused:
        new.restore(place)
    assert "--replace" in refused.value.hint
    assert balances(new.state) == {"eve": 5}
    generation = new.state.generation("bank")
    done = new.restore(place, replaces=True)
    assert new.objects() == old.objects()
    assert balances(new.state) == {"ada": sum(range(1, 41))}
    assert done.generations["bank"] > generation, "processes that know the old generation must not keep it"
    assert done.removed == 2
    assert new.store.read("sign-ins/eve") is None


def test_what_the_backup_has_no_state_of_begins_anew(old, new, place) -> None:
    old.backup(place)
    new.state.commit("other", lambda tx: tx.db.execute("INSERT INTO other.notes (text) VALUES ('x')"))
    for _ in range(3):
        new.state.commit("other", lambda tx: tx.db.execute("INSERT INTO other.notes (text) VALUES ('x')"))
    new.restore(place, replaces=True)
    with new.process().read("other") as db:
        assert db.execute("SELECT count(*) FROM other.notes").fetchone() == (0,)


@pytest.mark.parametrize("damage", [b"", b"not a head"])
def test_a_damaged_installation_is_replaced(old, new, place, damage) -> None:
    old.backup(place)
    for _ in range(3):
        new.state.commit("bank", deposit("eve", 5))
    generation = new.state.generation("bank")
    new.put("state/bank/head.json", damage)
    new.restore(place, store=new.store, replaces=True)
    assert balances(new.process()) == {"ada": sum(range(1, 41))}
    assert new.process().generation("bank") > generation


def test_an_interrupted_restore_goes_on_and_nothing_serves_before(old, new, place, clock) -> None:
    first = old.backup(place)
    clock.sleep(60)
    other = old.backup(place)
    with pytest.raises(UnavailableError):
        new.restore(place, store=StoppingStore(new.store, verb="write", left=MANY // 2), backup=first.id)
    with pytest.raises(unfinished.RestoreUnfinished, match=first.id):
        unfinished.refuse(new.store)
    with pytest.raises(restoring.OtherRestore, match=first.id):
        new.restore(place, backup=other.id)
    clock.sleep(60)  # what is written from now on is younger than the note
    with pytest.raises(UnavailableError):
        new.restore(place, store=StoppingStore(new.store, verb="write", left=MANY // 2), backup=first.id)
    counted = CountingStore(new.store)
    counted.download = new.store.download
    done = new.restore(place, store=counted, backup=first.id)
    written = {key for verb, key, _ in counted.calls if verb == "write" and key.startswith("sessions/")}
    assert len(written) < MANY
    assert done.kept > 100
    assert done.kept + done.written == MANY + 2
    assert new.objects() == old.objects()
    unfinished.refuse(new.store)


def test_a_changed_bit_is_found_and_never_restored(old, new, place) -> None:
    made = old.backup(place)
    assert keeping.check(place, made, old.folder).problems == ()
    pack = max((entry for entry in place.list(model.PACKS) if entry.size_bytes < packs.LARGE_BYTES), key=size_of).key
    body = bytearray(place.read(pack).body)
    body[100] ^= 1
    place.write(pack, bytes(body), expect=ANYTHING)
    assert any(pack in problem for problem in keeping.check(place, made, old.folder).problems)
    with pytest.raises(model.BackupDamaged, match=pack):
        new.restore(place)
    assert new.state.generation("bank") == 0
    with pytest.raises(unfinished.RestoreUnfinished):
        unfinished.refuse(new.store)


def size_of(entry) -> int:
    return entry.size_bytes


@pytest.mark.parametrize("what", ["lines", "manifest", "large", "missing"])
def test_damage_of_any_part_is_named(old, new, place, what) -> None:
    made = old.backup(place)
    key = {
        "lines": made.lines[0].key,
        "manifest": made.key,
        "large": max(place.list(model.PACKS), key=size_of).key,
        "missing": max(place.list(model.PACKS), key=size_of).key,
    }[what]
    if what == "missing":
        place.remove([key])
    else:
        place.write(key, place.read(key).body[:-9] + b"123456789", expect=ANYTHING)
    with pytest.raises(model.BackupDamaged, match=key):
        new.restore(place)


def test_a_damaged_state_file_is_no_backup(old, place) -> None:
    first = old.backup(place)
    snapshot = next(entry.key for entry in old.store.list("state/bank/0") if entry.key.endswith(".duckdb"))
    old.put(snapshot, b"rotten")
    old.state.commit("bank", deposit("ada", 1))  # what is stored already need not be read; a new place is asked here
    with pytest.raises(model.SourceDamaged, match=snapshot):
        old.backup(MemoryStore(clock=old.clock))
    assert [manifest.id for manifest in model.manifests(place)] == [first.id]


def test_one_at_a_time(old, place) -> None:
    place.write(
        model.LEASE,
        b'{"owner":"x","holder":"ada","expires":"%s"}' % (old.clock.now() + timedelta(minutes=4)).isoformat().encode(),
        expect=ANYTHING,
    )
    for work in (old.backup, old.restore, lambda p: keeping.prune(p, keep=1, clock=old.clock)):
        with pytest.raises(model.PlaceBusy, match="held by ada"):
            work(place)
    old.clock.sleep(5 * 60)
    old.backup(place)


def test_pruning_keeps_what_the_others_need(old, new, place, clock) -> None:
    first = old.backup(place)
    clock.sleep(3 * 86400)
    old.put("sessions/u1/s0001/main.jsonl.zst", b"grown")
    large = "telemetry/events/day=2026-11-01/one.parquet"
    old.store.remove([large])
    second = old.backup(place)
    done = keeping.prune(place, keep=1, clock=clock)
    assert (done.removed, done.kept) == ((first.id,), (second.id,))
    assert done.bytes > packs.LARGE_BYTES, "the large object of the first one"
    assert keeping.check(place, second, old.folder).problems == ()
    new.restore(place)
    assert new.objects() == old.objects()
    with pytest.raises(model.BackupNotFound):
        model.find(place, first.id)


def test_secrets_travel_only_encrypted(old, new, place) -> None:
    passphrase = Passphrase(Secret(WORDS))
    without = old.backup(place)
    assert (without.secrets, without.has_secrets) == (("second_factor", "signing"), False)
    assert new.restore(place, replaces=True).missing_secrets == ("second_factor",)
    made = old.backup(place, passphrase=passphrase)
    assert made.has_secrets
    assert not [entry.key for entry in place.list("") if b"derives" in place.read(entry.key).body]
    with pytest.raises(PassphraseWrong):
        new.restore(place, replaces=True, passphrase=Passphrase(Secret(WORDS + "!")), backup=made.id)
    assert new.secrets.names() == ()
    done = new.restore(place, replaces=True, passphrase=passphrase, backup=made.id)
    assert (done.secrets, done.missing_secrets) == (("second_factor",), ())
    assert new.secrets.get("second_factor") == Secret("derives")
    assert new.secrets.get("signing") is None
    with pytest.raises(PassphraseTooShort):
        Passphrase(Secret("short"))


def test_a_newer_form_is_refused(old, new, place) -> None:
    made = old.backup(place)
    plain = sealed.opened(made.key, place.read(made.key).body)
    place.write(made.key, sealed.seal(made.key, plain.replace(b'"form":1', b'"form":2')), expect=ANYTHING)
    with pytest.raises(model.BackupTooNew):
        new.restore(place)


def test_an_installation_is_compared(old, new, place) -> None:
    made = old.backup(place)
    new.restore(place)
    found = keeping.compare(new.store, place, made, new.folder)
    assert (found.same, found.changed, found.missing, found.added) == (MANY + 2, (), (), ())
    new.put("sessions/u1/s0001/main.jsonl.zst", b"grown")
    new.put("audit/more", b"new")
    new.store.remove(["trees/empty/entries"])
    found = keeping.compare(new.store, place, made, new.folder)
    assert (found.changed, found.missing, found.added) == (
        ("sessions/u1/s0001/main.jsonl.zst",),
        ("trees/empty/entries",),
        ("audit/more",),
    )


class WrittenAllTheTime(CountingStore):
    """Somebody commits to both files whenever a head is read: first to `bank`, then to `other`."""

    def __init__(self, inner: ObjectStore, writer: StateFiles, clock: FixedClock) -> None:
        super().__init__(inner)
        self._writer, self._clock = writer, clock

    def read(self, key: str) -> Blob | None:
        if key.endswith("/head.json"):
            self._clock.sleep(0.4)
            self._writer.commit("bank", deposit("ada", 1))
            self._writer.commit("other", lambda tx: tx.db.execute("INSERT INTO other.notes (text) VALUES ('x')"))
        return super().read(key)


def test_a_cut_of_what_is_written_all_the_time_is_of_one_moment(tmp_path, clock, place) -> None:
    old, new = (Installation(tmp_path / name, clock) for name in ("old", "new"))
    for _ in range(60):
        clock.sleep(1)
        old.state.commit("bank", deposit("ada", 1))
        old.state.commit("other", lambda tx: tx.db.execute("INSERT INTO other.notes (text) VALUES ('x')"))
    busy = WrittenAllTheTime(old.store, old.process(), clock)
    source = taking.Source(old.store, old.process(busy), old.secrets, "here")
    made = taking.take(source, old.run(place), passphrase=None)
    assert not made.is_exact
    new.restore(place)
    with new.state.read("other") as db:
        (notes,) = db.execute("SELECT count(*) FROM other.notes").fetchone()
    assert balances(new.state)["ada"] - notes in (0, 1), "no file is ahead of the one that was written before it"
    assert notes >= 60


def test_a_missing_head_is_no_new_file(old, place) -> None:
    old.store.remove(["state/bank/head.json"])
    with pytest.raises(StateDamaged, match="missing beside generations"):
        old.backup(place)
