"""One key follows another: nothing that was signed is refused by surprise, whichever process signed or judges it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
import zstandard

from agnes.kernel.clock import FixedClock
from agnes.kernel.errors import UnavailableError
from agnes.kernel.ports import Secret
from agnes.kernel.signing import ACCEPT, LOOK_AGAIN, SETTLE, Key, KeyRing, SigningKeys, SigningKeysDamaged
from agnes.ops import signing_keys
from agnes_local import main
from tests.builders.house import START, House
from tests.builders.people import seed_admin
from tests.builders.telemetry_house import complete, declare, put

MINUTE = timedelta(minutes=1)
SESSION = "5d2c8a10-0001-4f00-9a00-00000000aaaa"


class Vault:
    def __init__(self, value: str = "first") -> None:
        self.held: dict[str, Secret] = {"signing": Secret(value)}
        self.reads = 0
        self.away = False

    def get(self, name: str) -> Secret | None:
        self.reads += 1
        if self.away:
            raise UnavailableError("Secrets Manager failed")
        return self.held.get(name)

    def put(self, name: str, secret: Secret) -> None:
        self.held[name] = secret


class NoState:
    """Takes the line of the audit."""

    def __init__(self) -> None:
        self.recorded: list[object] = []

    def commit(self, file: str, change: object) -> None:
        assert file == "people"
        change(self)

    def record(self, change: object) -> None:
        self.recorded.append(change)


def process(vault: Vault, clock: FixedClock) -> SigningKeys:
    return SigningKeys(lambda: vault.get("signing").value, clock)


def test_a_single_key_is_its_own_value() -> None:
    """As installations have it that never rotated."""
    ring = KeyRing.decode("abc")
    assert ring.keys == (Key(Secret("abc")),)
    assert ring.encode() == "abc"
    clock = FixedClock(START)
    keys = process(Vault("abc"), clock)
    assert keys.sign("text") == Secret("abc").sign("text")
    assert keys.holds("text", Secret("abc").sign("text"))
    assert not keys.holds("text", Secret("abd").sign("text"))
    assert not keys.holds("other", Secret("abc").sign("text"))
    assert not keys.holds("text", "")
    assert not keys.holds("text", "é")


@pytest.mark.parametrize("seed", range(20))
def test_processes_that_look_at_different_times_never_refuse_one_another(seed: int) -> None:
    """Several rotations, a week apart and more; each signature is judged by every process until a week after it was made."""
    rng, clock, vault, state = Random(seed), FixedClock(START), Vault(), NoState()
    processes = []
    for _ in range(6):
        processes.append(process(vault, clock))
        clock.sleep((timedelta(seconds=rng.uniform(0, 600))).total_seconds())
    made: list[tuple[object, str, str]] = []
    for step in range(300):
        if step % 90 == 30:
            signing_keys.rotate(vault, state, clock.now())
        signer = rng.choice(processes)
        text = f"text {step}"
        made.append((clock.now(), text, signer.sign(text)))
        for at, said, signature in rng.sample(made, min(5, len(made))):
            if clock.now() - at <= ACCEPT:
                assert rng.choice(processes).holds(said, signature), (step, said)
        clock.sleep((timedelta(seconds=rng.choice([1, 30, 300, 3000, 20_000]))).total_seconds())
    assert len(state.recorded) == 3
    assert 1 <= len(KeyRing.decode(vault.get("signing").value).keys) <= 4


def test_the_new_key_signs_once_everybody_knows_it_and_the_old_one_ends_a_week_later() -> None:
    clock, vault = FixedClock(START), Vault()
    keys = process(vault, clock)
    old = Secret("first")
    signing_keys.rotate(vault, NoState(), clock.now())
    fresh = KeyRing.decode(vault.held["signing"].value).keys[1].value
    assert keys.sign("t") == old.sign("t"), "not looked at yet"
    clock.sleep((LOOK_AGAIN).total_seconds())
    assert keys.holds("t", fresh.sign("t"))
    assert keys.sign("t") == old.sign("t"), "others may not know it"
    clock.sleep((START + SETTLE - clock.now()).total_seconds())
    assert keys.sign("t") == fresh.sign("t")
    clock.sleep((START + SETTLE + ACCEPT - MINUTE - clock.now()).total_seconds())
    assert keys.holds("t", old.sign("t"))
    clock.sleep((2 * MINUTE).total_seconds())
    assert not keys.holds("t", old.sign("t"))
    assert keys.holds("t", fresh.sign("t"))


def test_a_key_that_leaked_is_refused_within_ten_minutes() -> None:
    clock, vault = FixedClock(START), Vault()
    keys = process(vault, clock)
    signing_keys.rotate(vault, NoState(), clock.now(), at_once=True)
    clock.sleep((LOOK_AGAIN).total_seconds())
    assert not keys.holds("t", Secret("first").sign("t"))
    assert keys.holds("t", keys.sign("t"))


def test_secrets_that_cannot_be_read_for_a_while_stop_nobody() -> None:
    clock, vault = FixedClock(START), Vault()
    keys = process(vault, clock)
    before = vault.reads
    for _ in range(50):
        keys.sign("t")
    assert vault.reads == before, "looked at once in ten minutes"
    vault.away = True
    clock.sleep((LOOK_AGAIN).total_seconds())
    assert keys.sign("t") == Secret("first").sign("t")
    vault.away, vault.held["signing"] = False, Secret("{broken")
    clock.sleep((LOOK_AGAIN).total_seconds())
    assert keys.sign("t") == Secret("first").sign("t")


@pytest.mark.parametrize("text", ["{", '{"keys": []}', '{"keys": [{"value": ""}]}', '{"keys": [{"value": "x"}]}', "{}"])
def test_a_damaged_ring_is_named_and_replaced_only_on_purpose(text: str) -> None:
    with pytest.raises(SigningKeysDamaged):
        KeyRing.decode(text)
    vault = Vault(text)
    with pytest.raises(SigningKeysDamaged):
        signing_keys.rotate(vault, NoState(), START)
    assert "rotate --at-once" in signing_keys.described(vault, START)[0]
    signing_keys.rotate(vault, NoState(), START, at_once=True)
    assert signing_keys.described(vault, START) == ["1. signs"]


def test_an_upload_that_was_announced_before_a_rotation_is_completed_after_it(tmp_path: Path) -> None:
    clock = FixedClock(START)
    packed = zstandard.compress(b'{"type":"user"}\n')
    with House(tmp_path, clock=clock) as house:
        ada = seed_admin(house)
        announced = declare(house, ada, SESSION, packed).json()
        put(house, announced, packed)
        signing_keys.rotate(house.wiring.secrets, house.state, clock.now())
        clock.sleep((SETTLE + MINUTE).total_seconds())
        assert complete(house, ada, announced["upload_id"]).status == 200
        signing_keys.rotate(house.wiring.secrets, house.state, clock.now(), at_once=True)
        clock.sleep(LOOK_AGAIN.total_seconds())
        assert complete(house, ada, announced["upload_id"]).status == 400
        again = declare(house, ada, SESSION, packed).json()
        assert complete(house, ada, again["upload_id"]).status == 200


def test_the_command_says_what_it_did_and_no_value(tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    with House(tmp_path) as house:
        house.wiring.signing_keys.sign("a first text, for which the first key is made")
        assert main.main(["signing-keys", "rotate"]) == 0
        assert main.main(["signing-keys", "list"]) == 0
        ring = KeyRing.decode(house.wiring.secrets.get("signing").value)
        with house.state.read("people") as db:
            line = db.execute("SELECT action, resource, params FROM people.audit").fetchone()
    said = capsys.readouterr().out
    assert said.count("1. signs, accepted until") == 2
    assert said.count("2. signs from") == 2
    assert not any(key.value.value in said for key in ring.keys)
    assert line[:2] == ("secrets.rotate_signing", "secret:signing")
    assert not any(key.value.value in line[2] for key in ring.keys)
