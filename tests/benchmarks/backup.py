"""A backup and a restore on the folder store, in MB/s of the installation's bytes: 3,000 transcripts of 5 to 400 kB, 600 plugin
trees, and a lake of 12 files of 16 MB. The limit is what `cp -r` and a sync of the disk make of the same files in the same run."""

from __future__ import annotations

import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from agnes.kernel.clock import SystemClock
from agnes.kernel.ports import ANYTHING, Secret
from agnes.ops.backup import model, restoring, taking
from agnes.outside.object_store.folder import FolderStore
from agnes.outside.secrets_file import SecretsFile
from tests.unit.state.bank import deposit, state_files

AIM_MB_A_SECOND = 100.0
RUNS = 3


def run(emit: Callable[..., None]) -> None:
    figures: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        root = Path(folder)
        source = folder_store(root / "source")
        size = fill(source)
        state = state_files(source, root / "cache", clock=SystemClock())
        for _ in range(20):
            state.commit("bank", deposit("ada", 1))
        for number in range(RUNS):
            for name, seconds in measure(root / str(number), source, state).items():
                figures.setdefault(name, []).append(size / 1e6 / seconds)
            shutil.rmtree(root / str(number))
    limit = max(figures.pop("copy"))
    for name, speeds in figures.items():
        aim = AIM_MB_A_SECOND if name != "again" else None
        emit(f"backup.{name}", max(speeds), "MB/s", better="higher", aim=aim, limit=limit)


def folder_store(root: Path) -> FolderStore:
    return FolderStore(root, secret=Secret("bench"), base_url="http://bench.invalid")


def fill(store: FolderStore) -> int:
    rng = random.Random(1)
    sizes = [
        *((f"sessions/u{n % 40:03}/s{n:05}/main.jsonl.zst", int(min(400e3, max(5e3, rng.lognormvariate(10.8, 0.8))))) for n in range(3000)),
        *((f"trees/{n:05}.pack", rng.randrange(2_000, 200_000)) for n in range(600)),
        *((f"telemetry/events/day=2026-11-{n + 1:02}/one.parquet", 16_000_000) for n in range(12)),
    ]  # fmt: skip
    for key, size in sizes:
        store.write(key, rng.randbytes(size), expect=ANYTHING)
    return sum(size for _, size in sizes)


def measure(folder: Path, source: FolderStore, state) -> dict[str, float]:
    """Seconds of each, on the wall: a disk is waited for."""
    place, target = folder_store(folder / "place"), folder_store(folder / "target")
    secrets = SecretsFile(folder / "secrets.json")
    run = model.Run(place, SystemClock(), folder, lambda _: None)
    found = {}

    def timed(name: str, work: Callable[[], object]) -> None:
        started = time.perf_counter()
        work()
        found[name] = time.perf_counter() - started

    def take() -> object:
        return taking.take(taking.Source(source, state, secrets, "bench"), run, passphrase=None)

    timed("take", take)
    timed("again", take)
    new = state_files(target, folder / "cache", clock=SystemClock())
    timed(
        "restore",
        lambda: restoring.restore(
            restoring.Target(target, new, new.names, secrets, lambda _: None), run, passphrase=None
        ),
    )
    new.close()
    copied = folder / "copied"
    timed(
        "copy",
        lambda: subprocess.run(f"cp -r {source._root} {copied} && sync -f {copied}", shell=True, check=True),
    )
    return found
