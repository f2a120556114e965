"""`python -m tests.benchmarks [--only GROUP] [--list]`: figures as JSON, one object a line, on standard output.

Each module of this folder is a group with a `run(emit)`. `emit(name, value, unit, better=…, aim=…, limit=…)`
prints a line: `better` is `higher` or `lower`, `aim` the figure that the design asks for or None, `limit` what
the same run measured as the machine's own bound, where it measured one.
"""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import sys
from typing import Literal

import tests.benchmarks


def groups() -> list[str]:
    return sorted(name for _, name, _ in pkgutil.iter_modules(tests.benchmarks.__path__) if not name.startswith("_"))


def emit(
    name: str,
    value: float,
    unit: str,
    *,
    better: Literal["higher", "lower"],
    aim: float | None = None,
    limit: float | None = None,
) -> None:
    line = {"name": name, "value": round(value, 6), "unit": unit, "better": better, "aim": aim}
    if limit is not None:
        line["limit"] = round(limit, 6)
    print(json.dumps(line), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", metavar="GROUP", action="append", help=f"of {', '.join(groups())}; may be repeated")
    parser.add_argument("--list", action="store_true", help="name the groups")
    options = parser.parse_args()
    if options.list:
        print("\n".join(groups()))
        return 0
    if unknown := set(options.only or ()) - set(groups()):
        parser.error(f"no group {', '.join(sorted(unknown))}; there are {', '.join(groups())}")
    for name in options.only or groups():
        importlib.import_module(f"tests.benchmarks.{name}").run(emit)
    return 0


if __name__ == "__main__":
    sys.exit(main())
