"""The real Claude Code client, installed by npm into a cache folder outside the checkout.

    python -m agnes_local.claude_install        installs every tested version and prints the paths

The versions are in `agnes.claude_code.versions`. The package brings a native binary for the machine
as an optional dependency, which is what we run: npm's install scripts are not needed and stay off.
"""

from __future__ import annotations

import platform
import sys
from pathlib import Path

from agnes.claude_code import versions
from agnes.kernel.errors import UnavailableError
from agnes_local import npm

PACKAGE = "@anthropic-ai/claude-code"
INSTALL_SECONDS = 600


class ClaudeUnavailable(UnavailableError):
    """The client could not be installed; the message says what was missing."""

    code = "claude_unavailable"


def claude_binary(version: str = versions.NEWEST) -> Path:
    """The executable of one version of the client, installed on the first call. Raises ClaudeUnavailable."""
    home = npm.cache_dir() / "claude" / version
    found = _native_binary(home)
    if found is None:
        npm.install(
            "claude",
            PACKAGE,
            version,
            home,
            is_whole=lambda: _native_binary(home) is not None,
            seconds=INSTALL_SECONDS,
            unavailable=ClaudeUnavailable,
            unlocked=version not in versions.TESTED,  # `make client-drift` looks at what came after them
        )
        found = _native_binary(home)
    if found is None:
        raise ClaudeUnavailable(f"{PACKAGE} {version} brings no binary for {sys.platform} {platform.machine()}")
    return found


def _native_binary(home: Path) -> Path | None:
    """Ours is whichever is there: npm picks the one platform package that fits this machine."""
    packages = sorted((home / "node_modules" / "@anthropic-ai").glob("claude-code-*"))
    candidates = (package / name for package in packages for name in ("claude", "claude.exe"))
    return next((path for path in candidates if path.is_file()), None)


def main() -> int:
    try:
        for version in versions.TESTED:
            print(claude_binary(version))
    except ClaudeUnavailable as missing:
        print(f"claude_install: {missing}" + (f" {missing.hint}" if missing.hint else ""), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
