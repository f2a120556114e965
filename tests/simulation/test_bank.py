"""The bank: several real processes over one store, killed at random. Money neither comes nor goes."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from random import Random

import pytest

from tests.builders.patience import PATIENCE_SECONDS
from tests.simulation.teller import ACCOUNTS, EACH, open_bank

PROCESSES = 3
SECONDS = 7.0
RECEIPTS = 100
KILLS = 3


class Tellers:
    """Processes that are started again whenever they are killed; two of them share one cache."""

    def __init__(self, store: dict, folder, rng: Random) -> None:
        self._store = store
        self._folder = folder
        self._rng = rng
        self._seed = 0
        self._running: list[subprocess.Popen] = [self._start(n) for n in range(PROCESSES)]
        self.killed = 0

    def _start(self, n: int) -> subprocess.Popen:
        threads = 1 + n
        self._seed += 10
        options = {
            "store": self._store,
            "cache": str(self._folder / f"cache{min(n, 1)}"),
            "receipts": str(self._folder / "receipts"),
            "seed": self._seed,
            "threads": threads,
        }
        return subprocess.Popen([sys.executable, "-m", "tests.simulation.teller", json.dumps(options)])

    def disturb(self) -> None:
        """Kill one, or stop one for a while."""
        n = self._rng.randrange(PROCESSES)
        process = self._running[n]
        assert process.poll() is None, f"a teller ended with {process.returncode}"
        if self._rng.random() < 0.25:
            process.send_signal(signal.SIGSTOP)
            time.sleep(self._rng.uniform(1.0, 1.5))
            process.send_signal(signal.SIGCONT)
        else:
            process.kill()
            process.wait()
            self.killed += 1
            self._running[n] = self._start(n)

    def end(self) -> None:
        for process in self._running:
            process.kill()
            process.wait()


def run_bank(store: dict, folder, seed: int) -> None:
    rng = Random(seed)
    (folder / "receipts").mkdir()
    tellers = Tellers(store, folder, rng)
    try:
        began = time.monotonic()
        while time.monotonic() - began < (SECONDS if _is_enough(tellers, folder) else PATIENCE_SECONDS):
            time.sleep(rng.uniform(0.5, 2.0))
            tellers.disturb()
    finally:
        tellers.end()
    bank = open_bank(store, folder / "auditor")
    with bank.read("bank") as db:
        balances = dict(db.execute("SELECT id, balance FROM bank.accounts").fetchall())
        transfers = db.execute("SELECT name, source, target, amount FROM bank.transfers").fetchall()
    receipts = _receipts(folder)
    assert tellers.killed >= KILLS
    assert len(receipts) > RECEIPTS
    assert len(set(receipts)) == len(receipts)
    assert sum(balances.values()) == ACCOUNTS * EACH
    assert set(receipts) <= {name for name, *_ in transfers}
    recomputed = dict.fromkeys(range(ACCOUNTS), EACH)
    for _, source, target, amount in transfers:
        recomputed[source] -= amount
        recomputed[target] += amount
    assert recomputed == balances
    # At most one transfer of each thread that ever lived is there without its receipt: the one it died upon.
    assert len(transfers) - len(receipts) <= (tellers.killed + PROCESSES) * PROCESSES
    assert len(bank.history("bank")) == bank.generation("bank")
    bank.close()


def _is_enough(tellers: Tellers, folder) -> bool:
    return tellers.killed >= KILLS and len(_receipts(folder)) > RECEIPTS


def _receipts(folder) -> list[str]:
    return [name for paper in (folder / "receipts").iterdir() for name in paper.read_text().split()]


@pytest.mark.slow
def test_money_stays_constant_on_the_folder_store(tmp_path):
    run_bank({"folder": str(tmp_path / "store")}, tmp_path, seed=1)


@pytest.mark.minio
def test_money_stays_constant_on_minio(tmp_path):
    for variable in ("MINIO_ENDPOINT", "MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD"):
        if variable not in os.environ:
            pytest.fail(f"{variable} is not set: `make cloud` starts the server and sets it", pytrace=False)
    store = {"bucket": "agnes-bank", "prefix": secrets.token_hex(6), "endpoint": os.environ["MINIO_ENDPOINT"]}
    from tests.simulation.teller import open_store

    client = open_store(store)._client
    if store["bucket"] not in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]:
        client.create_bucket(Bucket=store["bucket"])
    run_bank(store, tmp_path, seed=2)
