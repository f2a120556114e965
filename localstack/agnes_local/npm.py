"""One npm package of one version, in a folder of the cache that outlives a checkout.

What is installed is what a lock in `localstack/npm/` says, with the integrity of each file (`make pins` writes them).
npm's install scripts stay off: a package is files to us.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from agnes.kernel.errors import UnavailableError
from agnes_local import pins


def cache_dir() -> Path:
    """`AGNES_CACHE_DIR`, or `~/.cache/agnes`: programs that outlive a checkout."""
    return Path(os.environ.get("AGNES_CACHE_DIR") or Path.home() / ".cache" / "agnes")


def install(
    tool: str,
    package: str,
    version: str,
    home: Path,
    *,
    unlocked: bool = False,
    is_whole: Callable[[], bool],
    seconds: int,
    unavailable: type[UnavailableError],
) -> None:
    """Install beside `home`, then rename, so that a killed install leaves no half of one. Raises `unavailable`.

    `is_whole` says whether `home` holds what is wanted: another process may come first. A version without a lock is
    refused, unless it is `unlocked`: then it is whatever the registry gives.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise unavailable("npm is not on the PATH", hint="Install Node.js (Debian: apt-get install npm).")
    lock = pins.npm_lock(tool, version)
    if not (unlocked or lock.is_dir()):
        raise unavailable(f"{package} {version} has no lock in {lock}", hint="Write it: make pins.")
    home.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=home.parent, prefix=f".{version}-"))
    act = ["ci"] if lock.is_dir() else ["install", f"{package}@{version}"]
    command = [npm, *act, "--prefix", str(fresh), "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    try:
        if lock.is_dir():
            for name in ("package.json", "package-lock.json"):
                shutil.copyfile(lock / name, fresh / name)
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
        if done.returncode != 0:
            raise unavailable(f"npm could not install {package}@{version}: {done.stderr.strip()[-2000:]}")
        fresh.chmod(0o755)
        try:
            fresh.rename(home)
        except OSError:
            if not is_whole():  # not another process that came first, but a damaged folder
                raise unavailable(f"{home} is in the way", hint="Remove that folder.") from None
    except subprocess.TimeoutExpired as exc:
        raise unavailable(f"npm did not finish within {seconds} s") from exc
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
