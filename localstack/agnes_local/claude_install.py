"""The real Claude Code client, installed by npm into a cache folder outside the checkout.

    python -m agnes_local.claude_install        prints the path of the binary

One version is pinned here for every suite and for `tests/samples/transcripts/real`. The package
brings a native binary for the machine as an optional dependency, which is what we run: npm's
install scripts are not needed and stay off.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from agnes.kernel.errors import UnavailableError

CLAUDE_VERSION = "2.1.197"
PACKAGE = "@anthropic-ai/claude-code"
INSTALL_SECONDS = 600


class ClaudeUnavailable(UnavailableError):
    """The client could not be installed; the message says what was missing."""

    code = "claude_unavailable"


def cache_dir() -> Path:
    """`AGNES_CACHE_DIR`, or `~/.cache/agnes`: programs that outlive a checkout."""
    return Path(os.environ.get("AGNES_CACHE_DIR") or Path.home() / ".cache" / "agnes")


def claude_binary() -> Path:
    """The pinned client's executable, installed on the first call. Raises ClaudeUnavailable."""
    home = cache_dir() / "claude" / CLAUDE_VERSION
    found = _native_binary(home)
    if found is None:
        _install(home)
        found = _native_binary(home)
    if found is None:
        raise ClaudeUnavailable(f"{PACKAGE} {CLAUDE_VERSION} brings no binary for {sys.platform} {platform.machine()}")
    return found


def _native_binary(home: Path) -> Path | None:
    """Ours is whichever is there: npm picks the one platform package that fits this machine."""
    packages = sorted((home / "node_modules" / "@anthropic-ai").glob("claude-code-*"))
    candidates = (package / name for package in packages for name in ("claude", "claude.exe"))
    return next((path for path in candidates if path.is_file()), None)


def _install(home: Path) -> None:
    """Install beside `home`, then rename, so that a killed install leaves no half of one."""
    npm = shutil.which("npm")
    if npm is None:
        raise ClaudeUnavailable("npm is not on the PATH", hint="Install Node.js (Debian: apt-get install npm).")
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=f".{CLAUDE_VERSION}-") as fresh:
        command = [npm, "install", "--prefix", fresh, "--ignore-scripts", "--no-audit", "--no-fund"]
        command += ["--loglevel=error", f"{PACKAGE}@{CLAUDE_VERSION}"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
        except subprocess.TimeoutExpired as exc:
            raise ClaudeUnavailable(f"npm did not finish within {INSTALL_SECONDS} s") from exc
        if done.returncode != 0:
            raise ClaudeUnavailable(f"npm could not install {PACKAGE}@{CLAUDE_VERSION}: {done.stderr.strip()[-2000:]}")
        Path(fresh).chmod(0o755)
        try:
            Path(fresh).rename(home)
        except OSError:
            if _native_binary(home) is None:  # not another process that came first, but a damaged folder
                raise ClaudeUnavailable(f"{home} is in the way", hint="Remove that folder.") from None
        else:
            Path(fresh).mkdir()  # for TemporaryDirectory to remove


def main() -> int:
    try:
        print(claude_binary())
    except ClaudeUnavailable as missing:
        print(f"claude_install: {missing}" + (f" {missing.hint}" if missing.hint else ""), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
