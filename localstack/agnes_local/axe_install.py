"""axe-core, the accessibility checker that runs inside the browser tests' pages; by npm, into the cache folder.

python -m agnes_local.axe_install        prints the path of the script
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from agnes.kernel.errors import UnavailableError
from agnes_local.claude_install import cache_dir

AXE_VERSION = "4.10.3"
INSTALL_SECONDS = 120


class AxeUnavailable(UnavailableError):
    code = "axe_unavailable"


def axe_script() -> Path:
    """The pinned axe.min.js, installed on the first call. Raises AxeUnavailable."""
    home = cache_dir() / "axe" / AXE_VERSION
    script = home / "node_modules" / "axe-core" / "axe.min.js"
    if not script.is_file():
        _install(home, script)
    return script


def _install(home: Path, script: Path) -> None:
    """Install beside `home`, then rename, so that a killed install leaves no half of one."""
    npm = shutil.which("npm")
    if npm is None:
        raise AxeUnavailable("npm is not on the PATH", hint="Install Node.js (Debian: apt-get install npm).")
    home.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=home.parent, prefix=f".{AXE_VERSION}-"))
    command = [npm, "install", "--prefix", str(fresh), "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        done = subprocess.run(
            [*command, "--loglevel=error", f"axe-core@{AXE_VERSION}"],
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise AxeUnavailable(f"npm could not install axe-core@{AXE_VERSION}: {done.stderr.strip()[-1000:]}")
        try:
            fresh.rename(home)
        except OSError:
            if not script.is_file():  # not another process that came first, but a damaged folder
                raise AxeUnavailable(f"{home} is in the way", hint="Remove that folder.") from None
    except subprocess.TimeoutExpired as exc:
        raise AxeUnavailable(f"npm did not finish within {INSTALL_SECONDS} s") from exc
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def main() -> int:
    try:
        print(axe_script())
    except AxeUnavailable as missing:
        print(f"axe_install: {missing}" + (f" {missing.hint}" if missing.hint else ""), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
