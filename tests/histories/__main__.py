"""`python -m tests.histories --store folder|minio [--kills 1000] [--seconds 60] [--seed 1]`

A history of 16 processes over one store, with so many SIGKILLs and pauses, and its check. For MinIO the
environment says where it is: `python -m agnes_local.servers run --only minio -- python -m tests.histories --store minio`.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
from pathlib import Path

from tests.histories.runs import Run
from tests.histories.stores import STORES

PATIENCE_SECONDS = 3600.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.histories", description=__doc__)
    parser.add_argument("--store", choices=list(STORES), required=True)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=20.0, help="at least so long")
    parser.add_argument("--seed", type=int, help="of the kills; the rest is up to the kernel")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else secrets.randbits(32)
    with tempfile.TemporaryDirectory(prefix="agnes-histories-") as folder:
        run = Run(STORES[options.store](Path(folder)), Path(folder) / "run", seed)
        figures = run.until(kills=options.kills, seconds=options.seconds, patience_seconds=PATIENCE_SECONDS)
    print(f"{options.store}, seed {seed}: {figures}")
    for key, why in list(figures.verdict.violations.items())[:5]:
        print(f"\nkey {key}: {why}", file=sys.stderr)
    return 0 if figures.verdict.is_linearizable else 1


if __name__ == "__main__":
    sys.exit(main())
