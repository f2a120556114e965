"""A bank teller: one process that moves money until it is killed.

    python -m tests.simulation.teller '{"store": …, "cache": …, "receipts": …, "seed": 1, "threads": 2}'

Each transfer has a name; once it is acknowledged, and only then, the name is written to the receipts,
which are synced before the next one is asked for.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from random import Random

from agnes.kernel.calls import registered
from agnes.kernel.clock import SystemClock
from agnes.kernel.errors import ConflictError, UnavailableError
from agnes.kernel.ports import ObjectStore, Secret
from agnes.outside.object_store.folder import FolderStore
from agnes.outside.object_store.s3 import S3Store
from agnes.state import Migration, StateFiles

ACCOUNTS = 10
EACH = 100
CREATE = Migration(
    1,
    "bank",
    f"""
    CREATE TABLE bank.accounts (id INTEGER PRIMARY KEY, balance BIGINT NOT NULL CHECK (balance >= 0));
    INSERT INTO bank.accounts SELECT range, {EACH} FROM range({ACCOUNTS});
    CREATE TABLE bank.transfers (name VARCHAR PRIMARY KEY, source INTEGER, target INTEGER, amount BIGINT);
    """,
)


class Poor(ConflictError):
    """There is not enough on the account."""

    code = "poor"


def open_store(where: dict) -> ObjectStore:
    """`{"folder": path}`, or `{"bucket", "prefix", "endpoint"}` with the credentials in the environment."""
    if "folder" in where:
        return FolderStore(where["folder"], secret=Secret("bank"), base_url="http://bank.invalid")
    return S3Store(
        where["bucket"],
        prefix=where["prefix"],
        endpoint_url=where["endpoint"],
        region="us-east-1",
        access_key_id=os.environ["MINIO_ROOT_USER"],
        secret_access_key=Secret(os.environ["MINIO_ROOT_PASSWORD"]),
    )


def open_bank(where: dict, cache: str | Path) -> StateFiles:
    return StateFiles(
        open_store(where),
        clock=SystemClock(),
        cache_dir=Path(cache),
        migrations={"bank": (CREATE,)},
        max_stale_seconds=0.0,
    )


@registered("bank.transfer")
def transfer(tx, *, name: str, source: int, target: int, amount: int) -> None:
    (balance,) = tx.db.execute("SELECT balance FROM bank.accounts WHERE id = ?", [source]).fetchone()
    if balance < amount:
        raise Poor("there is too little")
    tx.db.execute("UPDATE bank.accounts SET balance = balance - ? WHERE id = ?", [amount, source])
    tx.db.execute("UPDATE bank.accounts SET balance = balance + ? WHERE id = ?", [amount, target])
    tx.db.execute("INSERT INTO bank.transfers VALUES (?, ?, ?, ?)", [name, source, target, amount])


def work(bank: StateFiles, receipts: Path, seed: int) -> None:
    rng = Random(seed)
    number = 0
    with receipts.open("ab", buffering=0) as paper:
        while True:
            number += 1
            name = f"{seed}-{number}"
            source, target = rng.sample(range(ACCOUNTS), 2)
            try:
                change = transfer(name=name, source=source, target=target, amount=rng.randrange(1, 40))
                bank.commit("bank", change if rng.random() < 0.75 else change.__call__)
            except (ConflictError, UnavailableError):
                continue
            paper.write(name.encode() + b"\n")
            os.fsync(paper.fileno())
            with bank.read("bank") as db:
                total, there = db.execute(
                    "SELECT sum(balance), (SELECT count(*) FROM bank.transfers WHERE name = ?) FROM bank.accounts",
                    [name],
                ).fetchone()
            if (total, there) != (ACCOUNTS * EACH, 1):
                print(f"{name}: total {total}, {there} of it there", flush=True)
                os._exit(3)


def main() -> None:
    options = json.loads(sys.argv[1])
    bank = open_bank(options["store"], options["cache"])
    receipts = Path(options["receipts"])
    threads = [
        threading.Thread(target=work, args=(bank, receipts / f"{seed}", seed))
        for seed in range(options["seed"], options["seed"] + options["threads"])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os._exit(4)  # a teller works until it is killed; if it ends, something was raised


if __name__ == "__main__":
    main()
