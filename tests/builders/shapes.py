"""Shapes of real marketplaces, as git repositories: `tests/samples/accept/marketplace/shapes/*.toml`.

    for shape in shapes():
        repository = shape.repository(tmp_path / f"{shape.name}.git")

A file holds what is in the repository and what the real client loads of it, whichever tested version:

    about = "what shape, and whose (public repositories, bug reports)"
    catalog = '''{...}'''       .claude-plugin/marketplace.json
    [files] [executables]       path = text
    [links]                     path = target
    [submodules]                path = commit
    [loaded]                    plugins, commands, skills, agents, servers of tests.builders.loaded_components.Loaded
    [left_out]                  plugin = [path and reason of each file that we leave out]
    errors = [plugin]           plugins of which the client loads a part, and says so in `claude plugin list`
    [refused]                   plugin = reason, where the client refuses it too

Names of plugins are unique over all files, so that one feed can serve them all.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agnes_local.demo_repository import EXECUTABLE, REGULAR, SUBMODULE, SYMLINK, BareRepository, File, write_files

FOLDER = Path(__file__).parents[1] / "samples/accept/marketplace/shapes"
CATALOG = ".claude-plugin/marketplace.json"
_MODES = {"files": REGULAR, "executables": EXECUTABLE, "links": SYMLINK, "submodules": SUBMODULE}


@dataclass(frozen=True, slots=True)
class Shape:
    name: str
    about: str
    files: Mapping[str, File]
    loaded: Mapping[str, tuple[str, ...]]
    """What the client loads of the original: sorted names by kind, kinds without any left out."""
    left_out: Mapping[str, list[str]] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    errors: tuple[str, ...] = ()

    @property
    def catalog(self) -> dict[str, Any]:
        return json.loads(self.files[CATALOG].body)

    @property
    def plugins(self) -> list[str]:
        """Names in the catalog, in its order."""
        return [entry["name"] for entry in self.catalog["plugins"]]

    def repository(self, folder: Path) -> BareRepository:
        """`folder`, which must not exist yet, becomes a bare repository with one commit."""
        made = BareRepository(folder, dict(self.files))
        made.commit(self.name)
        return made

    def write(self, folder: Path) -> None:
        """The same as plain files and links, submodules left out."""
        plain = {path: file for path, file in self.files.items() if file.mode in (REGULAR, EXECUTABLE)}
        write_files(folder, plain)
        for path, file in self.files.items():
            if file.mode == SYMLINK:
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).symlink_to(file.body.decode())


def shapes() -> list[Shape]:
    """All of them, by name."""
    found = [_read(path) for path in sorted(FOLDER.glob("*.toml"))]
    names = [plugin.casefold() for shape in found for plugin in shape.plugins]
    twice = sorted({name for name in names if names.count(name) > 1})
    assert not twice, f"plugins of more than one shape: {twice}"
    return found


def shape(name: str) -> Shape:
    return _read(FOLDER / f"{name}.toml")


def _read(path: Path) -> Shape:
    given = tomllib.loads(path.read_text())
    files = {
        at: File(text.encode(), mode) for section, mode in _MODES.items() for at, text in given.get(section, {}).items()
    }
    files[CATALOG] = File(given["catalog"].encode())
    loaded = {kind: tuple(sorted(names)) for kind, names in given.get("loaded", {}).items() if names}
    return Shape(
        path.stem,
        given["about"],
        files,
        loaded,
        given.get("left_out", {}),
        given.get("refused", {}),
        tuple(given.get("errors", ())),
    )
