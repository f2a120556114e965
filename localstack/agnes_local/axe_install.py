"""axe-core, the accessibility checker that runs inside the browser tests' pages; by npm, into the cache folder.

python -m agnes_local.axe_install        prints the path of the script
"""

from __future__ import annotations

import sys
from pathlib import Path

from agnes.kernel.errors import UnavailableError
from agnes_local import npm

PACKAGE = "axe-core"
AXE_VERSION = "4.10.3"
INSTALL_SECONDS = 120


class AxeUnavailable(UnavailableError):
    code = "axe_unavailable"


def axe_script() -> Path:
    """The pinned axe.min.js, installed on the first call. Raises AxeUnavailable."""
    home = npm.cache_dir() / "axe" / AXE_VERSION
    script = home / "node_modules" / "axe-core" / "axe.min.js"
    if not script.is_file():
        npm.install(
            "axe",
            PACKAGE,
            AXE_VERSION,
            home,
            is_whole=script.is_file,
            seconds=INSTALL_SECONDS,
            unavailable=AxeUnavailable,
        )
    return script


def main() -> int:
    try:
        print(axe_script())
    except AxeUnavailable as missing:
        print(f"axe_install: {missing}" + (f" {missing.hint}" if missing.hint else ""), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
