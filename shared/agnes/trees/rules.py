"""Which paths may be served: names from outside are hostile.

A path must mean the same file on Linux, macOS and Windows, and must look like what it is.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from agnes.kernel.errors import InvalidError
from agnes.trees.model import TreeFile

MAX_FILES = 5_000
MAX_FILE_BYTES = 10_000_000
MAX_TREE_BYTES = 50_000_000
MAX_PATH_CHARACTERS = 240
MAX_DEPTH = 24

# Reserved by Windows with any extension (Microsoft, "Naming Files, Paths, and Namespaces"): superscript digits
# count as digits there, and the console has two names of its own.
_DEVICES = frozenset(
    [
        "con",
        "prn",
        "aux",
        "nul",
        "conin$",
        "conout$",
        *(f"{port}{n}" for port in ("com", "lpt") for n in "0123456789¹²³"),
    ]
)
_FORBIDDEN = frozenset('\\:*?"<>|')
# Explicit directional formatting changes how a name reads (Unicode TR 36, 2.10).
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class UnsafePath(InvalidError):
    """A path that is not served: `path` as it came, `reason` in words."""

    code = "unsafe_path"

    def __init__(self, path: str, reason: str) -> None:
        shown = path.encode("unicode_escape").decode()[:200]
        super().__init__(f"{shown}: {reason}", hint="Rename or remove the file.", path=shown, reason=reason)
        self.path = path
        self.reason = reason


def check_path(path: str) -> None:
    """Raise UnsafePath unless `path` is relative, plain and portable."""
    if not path:
        raise UnsafePath(path, "the name is empty")
    if path.startswith("/"):
        raise UnsafePath(path, "the path is absolute")
    if len(path) > MAX_PATH_CHARACTERS:
        raise UnsafePath(path, f"the path is longer than {MAX_PATH_CHARACTERS} characters")
    segments = path.split("/")
    if len(segments) > MAX_DEPTH:
        raise UnsafePath(path, f"the path is deeper than {MAX_DEPTH} folders")
    for segment in segments:
        reason = _problem(segment)
        if reason:
            raise UnsafePath(path, reason)


def _problem(segment: str) -> str | None:
    if segment in ("", "."):
        return "the path has an empty segment"
    if segment == "..":
        return "the path leaves its folder"
    if segment.rstrip(". ") != segment:
        return "a name ends in a dot or a space"
    lowered = segment.lower()
    if lowered == ".git" or lowered.startswith("git~"):
        return "git metadata"
    if lowered.split(".")[0].rstrip(" ") in _DEVICES:
        return "a device name on Windows"
    for character in segment:
        if character in _FORBIDDEN:
            return f"a name contains {character!r}"
        if character in _BIDI:
            return "a name contains a direction-changing character"
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
            return "a name contains an invisible or control character"
    return None


def check_files(files: Sequence[TreeFile]) -> None:
    """Raise UnsafePath for the first file that may not be served, by name, size, number or collision."""
    if len(files) > MAX_FILES:
        raise UnsafePath(files[MAX_FILES].path, f"more than {MAX_FILES} files")
    total = 0
    names = Names()
    for file in files:
        check_path(file.path)
        if len(file.body) > MAX_FILE_BYTES:
            raise UnsafePath(file.path, f"larger than {MAX_FILE_BYTES} bytes")
        total += len(file.body)
        if total > MAX_TREE_BYTES:
            raise UnsafePath(file.path, f"the files together are larger than {MAX_TREE_BYTES} bytes")
        if problem := names.add(file.path):
            raise UnsafePath(file.path, problem)


@dataclass(slots=True)
class Names:
    """Paths that can be in one folder on systems where the case of letters, or how accents are written, does not count."""

    files: dict[str, str] = field(default_factory=dict)
    """Folded path → the path."""
    folders: dict[str, str] = field(default_factory=dict)

    def add(self, path: str) -> str | None:
        """None once the path is taken in, or why it cannot be beside the others."""
        folded = _fold(path)
        if folded in self.files:
            same = self.files[folded]
            return "the name is given twice" if same == path else f"the same name as {same} where case does not count"
        if folded in self.folders:
            return f"a file and a folder are both named {self.folders[folded]}"
        folder, new = path.rpartition("/")[0], []
        while folder and self.folders.get(folded_folder := _fold(folder)) != folder:
            if folded_folder in self.folders:
                return f"the same folder as {self.folders[folded_folder]} where case does not count"
            if folded_folder in self.files:
                return f"a file and a folder are both named {self.files[folded_folder]}"
            new.append((folded_folder, folder))
            folder = folder.rpartition("/")[0]
        self.folders.update(new)
        self.files[folded] = path
        return None


def _fold(path: str) -> str:
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
