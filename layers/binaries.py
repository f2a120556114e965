"""What a layer's compiled modules need of the system that they are loaded on, read from their ELF headers.

A wheel's tag says what it was built for; the symbol versions in `.gnu.version_r` say what the loader will ask for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

from layers.runtimes import Runtime, Version, dotted

MACHINES = {"arm64": "EM_AARCH64", "x86_64": "EM_X86_64"}
"""By Lambda's name of an architecture."""
LIBRARY = re.compile(r"\.so(\.\d+)*$")
SYMBOL = re.compile(r"([A-Z]+)_(\d+(?:\.\d+)+)")


def libraries(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if LIBRARY.search(path.name) and path.is_file())


def needs(library: Path) -> tuple[str, dict[str, Version]]:
    """The machine, and the newest symbol version of each family (GLIBC, GLIBCXX, …). Raises ValueError: no ELF file."""
    newest: dict[str, Version] = {}
    with library.open("rb") as stream:
        try:
            elf = ELFFile(stream)
            sections = [section for section in elf.iter_sections() if isinstance(section, GNUVerNeedSection)]
            for section in sections:
                for _library, wanted in section.iter_versions():
                    for symbol in wanted:
                        if found := SYMBOL.fullmatch(symbol.name):
                            version = tuple(map(int, found[2].split(".")))
                            newest[found[1]] = max(newest.get(found[1], ()), version)
            return elf["e_machine"], newest
        except ELFError as error:
            raise ValueError(f"{library.name} is no ELF file: {error}") from None


def problems(folder: Path, runtime: Runtime, arch: str) -> Iterator[str]:
    """One line for each library below `folder` that the runtime cannot load on this architecture."""
    for library in libraries(folder):
        where = library.relative_to(folder)
        try:
            machine, wanted = needs(library)
        except ValueError as error:
            yield f"{where}: {error}"
            continue
        if machine != MACHINES[arch]:
            yield f"{where} is built for {machine}, not for {arch}"
        for family, provided in runtime.provides.items():
            if (version := wanted.get(family, ())) > provided:
                yield f"{where} needs {family} {dotted(version)}; {runtime.name} has {dotted(provided)}"
