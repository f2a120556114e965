"""ccusage, which sums the tokens of transcripts: the benchmark holds a run of the extraction against it. By npm, into
the cache folder.

python -m agnes_local.ccusage_install    prints the path of the program
"""

from __future__ import annotations

import platform
import sys
from pathlib import Path

from agnes.kernel.errors import UnavailableError
from agnes_local import npm

PACKAGE = "@ccusage/ccusage-linux-x64"
"""The native program alone. `ccusage` itself names builds that were never published, so its lock would never be whole."""
CCUSAGE_VERSION = "20.0.24"
"""Native builds follow the package some days later, and for this version only this one did."""
INSTALL_SECONDS = 120


class CcusageUnavailable(UnavailableError):
    code = "ccusage_unavailable"


def ccusage() -> Path:
    """The pinned native program, installed on the first call. Raises CcusageUnavailable."""
    home = npm.cache_dir() / "ccusage" / CCUSAGE_VERSION
    if (platform.system(), platform.machine().lower()) not in (("Linux", "x86_64"), ("Linux", "amd64")):
        machine = f"{platform.system()} {platform.machine()}"
        raise CcusageUnavailable(f"ccusage {CCUSAGE_VERSION} has no native build for this machine ({machine})")
    program = home / "node_modules" / PACKAGE / "bin" / "ccusage"
    if not program.is_file():
        npm.install(
            "ccusage",
            PACKAGE,
            CCUSAGE_VERSION,
            home,
            is_whole=program.is_file,
            seconds=INSTALL_SECONDS,
            unavailable=CcusageUnavailable,
        )
        if not program.is_file():
            raise CcusageUnavailable(f"{PACKAGE} {CCUSAGE_VERSION} has no program where it was: {program}")
    program.chmod(0o755)  # npm's install script would do it
    return program


def main() -> int:
    try:
        print(ccusage())
    except CcusageUnavailable as missing:
        print(f"ccusage_install: {missing}" + (f" {missing.hint}" if missing.hint else ""), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
