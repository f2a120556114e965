"""The Python runtimes of Lambda: which interpreter builds for which, and what their system's libraries provide.

The standard library only: `make deploy` asks here before anything is installed.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

Version = tuple[int, ...]


@dataclass(frozen=True)
class Runtime:
    python: Version
    """Major and minor, such as (3, 13)."""
    provides: dict[str, Version]
    """Newest symbol version of each family that the system's libraries provide, such as {"GLIBC": (2, 34)}."""
    deployable: bool
    """Whether this product is deployed to it."""

    @property
    def name(self) -> str:
        """As Lambda and SAM name it."""
        return f"python{dotted(self.python)}"

    def platforms(self, machine: str) -> tuple[str, ...]:
        """Tags of the wheels that load there, newest glibc first; `machine` is `aarch64` or `x86_64`."""
        _, newest = self.provides["GLIBC"]
        tags = [f"manylinux_2_{minor}_{machine}" for minor in range(newest, 16, -1)]
        return (*tags, f"manylinux2014_{machine}")


AMAZON_LINUX_2 = {"GLIBC": (2, 26), "GLIBCXX": (3, 4, 24), "CXXABI": (1, 3, 11)}
AMAZON_LINUX_2023 = {"GLIBC": (2, 34), "GLIBCXX": (3, 4, 29), "CXXABI": (1, 3, 13)}
"""glibc 2.34, libstdc++ of GCC 11."""

RUNTIMES = (
    # Its runtime is at the end of its support, has no SnapStart, and wheels of cryptography, dulwich and pyarrow do not load.
    Runtime((3, 11), AMAZON_LINUX_2, deployable=False),
    Runtime((3, 12), AMAZON_LINUX_2023, deployable=True),
    Runtime((3, 13), AMAZON_LINUX_2023, deployable=True),
    Runtime((3, 14), AMAZON_LINUX_2023, deployable=True),
)
DEPLOYABLE = tuple(runtime for runtime in RUNTIMES if runtime.deployable)


def running() -> Version:
    """Major and minor of this interpreter: layers are built, and their modules compiled, for it."""
    return sys.version_info[:2]


def name_of(python: Version) -> str:
    """`python3.13`: what templates say, whether AWS has it or only LocalStack runs it."""
    return f"python{dotted(python)}"


def deployable(python: Version) -> Runtime:
    """The runtime of AWS that what this interpreter builds runs on. Raises ValueError, which says what to do."""
    for runtime in DEPLOYABLE:
        if runtime.python == python:
            return runtime
    names = ", ".join(dotted(runtime.python) for runtime in DEPLOYABLE)
    raise ValueError(f"Python {dotted(python)} cannot build what runs on AWS Lambda; Python {names} can")


def dotted(version: Version) -> str:
    return ".".join(map(str, version))
