"""What must hold before anything is built for AWS: this interpreter, and the stack's name.

    python -m infra.before_deploy STACK

The standard library only, so that it answers before anything is installed.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable

from infra import aws_limits
from layers import runtimes
from layers.runtimes import DEPLOYABLE, Version, dotted

Which = Callable[[str], str | None]


def refusals(stack: str, python: Version, which: Which) -> list[str]:
    """Why a deployment would fail, each with what to do."""
    found = []
    try:
        runtimes.deployable(python)
    except ValueError as refusal:
        found.append(f"{refusal}.\n{_advice(which)}")
    if problem := aws_limits.stack_name_problem(stack):
        found.append(f"{problem}.")
    return found


def _advice(which: Which) -> str:
    """How to get an interpreter that AWS has, and how to build with it."""
    here = [name for runtime in reversed(DEPLOYABLE) if which(name := f"python{dotted(runtime.python)}")]
    newest = here[0] if here else f"python{dotted(DEPLOYABLE[-2].python)}"
    get = (
        f"{newest} is installed here."
        if here
        else "Get one: `apt-get install python3 python3-venv` on Debian 13, `brew install python@3.13` on a Mac, or\n"
        "`uv python install 3.13`."
    )
    return f"{get} Then make this checkout's environment with it:\n    rm -rf .venv && make PYTHON={newest} deploy …"


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: python -m infra.before_deploy STACK", file=sys.stderr)
        return 2
    found = refusals(sys.argv[1], runtimes.running(), shutil.which)
    print("\n".join(found), file=sys.stderr, end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
