"""`agnes statusline`, which Claude Code runs at each redraw: the whole process as it is installed on a laptop, beside an
interpreter that does nothing, in the same run."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

RUNS = 40
SESSION = "5d2c8a10-0001-4f00-9a00-00000000aaaa"
PUBLIC = "6d2c8a10-0001-4f00-9a00-00000000aaaa"
PRIVATE_SESSIONS = 500
SCRIPT = """#!{python}
import sys
from agnes_cli.start import main
if __name__ == "__main__":
    sys.exit(main())
"""
"""As pip writes it; an editable install of a checkout starts 25 ms later, for its import hooks."""


def run(emit) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = {"HOME": str(folder), "PATH": os.environ["PATH"]}
        python, agnes = _installed(folder / "venv")
        config = folder / ".config" / "agnes"
        config.mkdir(parents=True)
        others = "".join(f"{number:08x}{SESSION[8:]}\n" for number in range(PRIVATE_SESSIONS))
        (config / "agnes-sessions-private.txt").write_text(others + f"{SESSION}\n")
        private, public = (json.dumps({"session_id": each, "cwd": str(folder)}) for each in (SESSION, PUBLIC))
        nothing, locked, silent = [], [], []
        for _ in range(RUNS):  # in turn, so that what else the machine does disturbs all alike
            nothing.append(_wall_ms([python, "-I", "-c", "pass"], environment, "", ""))
            silent.append(_wall_ms([agnes, "statusline"], environment, public, ""))
            locked.append(_wall_ms([agnes, "statusline"], environment, private, "\N{LOCK} agnes-private\n"))
    limit = statistics.median(nothing)
    for name, found in (("", silent), ("_private", locked)):
        emit(f"client_statusline{name}_p50", statistics.median(found), "ms", better="lower", aim=50, limit=limit)
        emit(f"client_statusline{name}_p95", statistics.quantiles(found, n=20)[-1], "ms", better="lower", aim=50)


def _installed(folder: Path) -> tuple[str, str]:
    """A virtual environment with the command as pip installs it; (python, agnes)."""
    venv.create(folder, symlinks=True)
    python, agnes = folder / "bin" / "python", folder / "bin" / "agnes"
    (packages,) = folder.glob("lib/python*/site-packages")
    shutil.copytree(Path(__file__).parents[2] / "cli" / "agnes_cli", packages / "agnes_cli")
    subprocess.run([python, "-m", "compileall", "-q", packages], check=True)
    agnes.write_text(SCRIPT.format(python=python))
    agnes.chmod(0o755)
    return str(python), str(agnes)


def _wall_ms(command: list[str], environment: dict[str, str], said: str, wanted: str) -> float:
    began = time.perf_counter()
    done = subprocess.run(command, env=environment, input=said, capture_output=True, text=True, check=True)
    spent = (time.perf_counter() - began) * 1000
    if done.stdout != wanted:
        sys.exit(f"{command} printed {done.stdout!r}")
    return spent
