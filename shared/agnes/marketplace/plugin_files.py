"""The files of a plugin's folder, as a laptop of any system can hold them.

What cannot be served costs that file and not its plugin: it is left out, and the sync says which file and why. Symbolic
links that stay within the repository are served as what they lead to, since a zip and Windows have none. Claude Code does
the same when it copies a plugin into its cache, and leaves out links that lead elsewhere
(seen with 2.1.197 and 2.1.332; `tests/samples/accept/marketplace/shapes`).
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass, field

from agnes.kernel.git import SUBMODULE, SYMLINK, GitEntry, GitSnapshot
from agnes.marketplace.limits import MAX_ENTRIES, MAX_LEFT_OUT, MAX_LINK_BYTES, MAX_LINK_HOPS
from agnes.trees.model import TreeFile
from agnes.trees.rules import MAX_FILE_BYTES, MAX_FILES, MAX_TREE_BYTES, Names, UnsafePath, check_path

IN_A_SUBMODULE = "a submodule, which is not fetched"
_COMPONENTS = (".claude-plugin/", "skills/", "commands/", "agents/", "hooks/", "output-styles/", "themes/", "bin/")


class TooManyEntries(Exception):
    """A folder whose links multiply its files beyond what is read."""


class Unresolved(Exception):
    """A path of the repository that leads to nothing that is served; the message says why."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a path of the repository is once its links are followed."""

    path: str
    """Without links, `..` and `.`; the root at the empty path."""
    tree: str | None
    """Id of the folder, None for a file."""
    entry: GitEntry | None = None


@dataclass(slots=True)
class PluginFiles:
    files: list[TreeFile]
    left_out: list[str] = field(default_factory=list)
    """`path: reason` of each file that is not served, at most MAX_LEFT_OUT and a line for the others."""
    linked: list[str] = field(default_factory=list)
    """What links lead to outside the folder, with its ids: the folder's own id does not tell when that changes."""


def resolve(snapshot: GitSnapshot, path: str, *, within: str = "") -> Resolved:
    """Follow a path and the symbolic links on it, as the file system of a checkout would. Raises Unresolved.

    `within` is the folder of the repository that must not be left.
    """
    todo, hops = path.split("/"), 0
    done: list[str] = []
    tree = snapshot.folder("")
    while todo:
        segment = todo.pop(0)
        if segment in ("", "."):
            continue
        if segment == "..":
            if not done:
                raise Unresolved("a symbolic link that leads out of the repository")
            done.pop()
            tree = snapshot.folder("/".join(done))
            continue
        at = "/".join([*done, segment])
        inner = snapshot.folder(at)
        if inner is not None:
            done.append(segment)
            tree = inner
            continue
        entry = snapshot.entry(at)
        if entry is None:
            raise Unresolved("a symbolic link to what is not there")
        if entry.mode == SUBMODULE:
            raise Unresolved(f"in the submodule {_shown(at)}, which is not fetched")
        if entry.mode == SYMLINK:
            hops += 1
            if hops > MAX_LINK_HOPS:
                raise Unresolved("a symbolic link that leads back to itself")
            todo = _target(snapshot, entry).split("/") + todo
            continue
        if any(left not in ("", ".") for left in todo):
            raise Unresolved("a symbolic link to what is not there")
        return _contained(Resolved(at, None, entry), within)
    return _contained(Resolved("/".join(done), tree), within)


def plugin_files(snapshot: GitSnapshot, folder: Resolved, *, within: str = "") -> PluginFiles:
    """The files of `folder` by plain paths relative to it, links replaced by what they lead to.

    `within` is the folder of the repository that links may lead to. Raises TooManyEntries, GitDamaged.
    """
    walk = _Walk(snapshot, folder.path, within)
    walk.folder(folder.tree or "", "", folder.path, ())
    return walk.read()


def links_out(snapshot: GitSnapshot, folder: Resolved, *, within: str = "") -> list[str]:
    """As `linked` of `plugin_files`, without reading a file."""
    walk = _Walk(snapshot, folder.path, within)
    walk.folder(folder.tree or "", "", folder.path, ())
    return walk.linked


def _contained(found: Resolved, within: str) -> Resolved:
    if within and found.path != within and not found.path.startswith(f"{within}/"):
        raise Unresolved(f"a symbolic link that leads out of {_shown(within)}")
    return found


def _target(snapshot: GitSnapshot, entry: GitEntry) -> str:
    if entry.size_bytes > MAX_LINK_BYTES or not entry.oid:
        raise Unresolved("a symbolic link")
    target = snapshot.read(entry.oid).decode("utf-8", "surrogateescape")
    if target.startswith("/"):
        raise Unresolved("a symbolic link with an absolute path")
    return target


@dataclass(frozen=True, slots=True)
class _Found:
    path: str
    """In the plugin."""
    real: str
    """In the repository, links followed."""
    oid: str
    size_bytes: int
    executable: bool


@dataclass(slots=True)
class _Walk:
    snapshot: GitSnapshot
    root: str
    within: str
    found: list[_Found] = field(default_factory=list)
    names: Names = field(default_factory=Names)
    left: list[str] = field(default_factory=list)
    more_left: int = 0
    linked: list[str] = field(default_factory=list)
    entries: int = 0

    def folder(self, tree: str, at: str, real: str, inside: tuple[str, ...]) -> None:
        """Walk a folder that is at `at` in the plugin and at `real` in the repository.

        `inside` are the real folders of the links that led here: a link back into one of them would never end.
        """
        for entry in self.snapshot.walk(tree):
            self.entries += 1
            if self.entries > MAX_ENTRIES:
                raise TooManyEntries(f"more than {MAX_ENTRIES} files, counted with what symbolic links lead to")
            path = at + entry.path
            try:
                check_path(path)
            except UnsafePath as exc:
                self.leave_out(path, exc.reason)
                continue
            here = f"{real}/{entry.path}" if real else entry.path
            if entry.mode == SYMLINK:
                self.link(path, here, entry, inside)
            elif entry.mode == SUBMODULE:
                self.leave_out(path, IN_A_SUBMODULE)
            elif stat.S_ISREG(entry.mode):
                self.file(path, here, entry)
            else:
                self.leave_out(path, f"the mode {entry.mode:o}, which is no file's")

    def link(self, path: str, real: str, entry: GitEntry, inside: tuple[str, ...]) -> None:
        parent = real.rpartition("/")[0]
        try:
            target = _target(self.snapshot, entry)
            found = resolve(self.snapshot, f"{parent}/{target}" if parent else target, within=self.within)
        except Unresolved as exc:
            self.linked.append(f"{path} {exc}")
            self.leave_out(path, str(exc))
            return
        if not _is_inside(found.path, self.root):
            self.linked.append(f"{path} {found.tree or (found.entry and (found.entry.oid, found.entry.mode))}")
        if found.entry is not None:
            if stat.S_ISREG(found.entry.mode):
                self.file(path, found.path, found.entry)
            else:
                self.leave_out(path, "a symbolic link to what is no file")
            return
        chain = (*inside, parent)
        if any(_is_inside(one, found.path) for one in chain):
            self.leave_out(path, "a symbolic link to the folder that it is in")
        elif found.tree is not None:
            self.folder(found.tree, f"{path}/", found.path, chain)

    def file(self, path: str, real: str, entry: GitEntry) -> None:
        if entry.size_bytes > MAX_FILE_BYTES:
            self.leave_out(path, f"larger than {MAX_FILE_BYTES} bytes")
        elif problem := self.names.add(path):
            self.leave_out(path, problem)
        else:
            self.found.append(_Found(path, real, entry.oid, entry.size_bytes, bool(entry.mode & 0o100)))

    def leave_out(self, path: str, reason: str) -> None:
        if len(self.left) < MAX_LEFT_OUT:
            self.left.append(f"{_shown(path)}: {reason}")
        else:
            self.more_left += 1

    def read(self) -> PluginFiles:
        self._load_once()
        files = [TreeFile(one.path, self.snapshot.read(one.oid), one.executable) for one in self._within_limits()]
        more = [f"and {self.more_left} more"] if self.more_left else []
        return PluginFiles(files, [*self.left, *more], self.linked)

    def _load_once(self) -> None:
        """Leave out links to a skill, a command or an agent that is loaded from its own place, too.

        Claude Code keeps links within a plugin as links, and loads what two of them lead to once; as two files it would
        load both.
        """
        root = f"{self.root}/" if self.root else ""
        if all(one.real == root + one.path for one in self.found):
            return
        own = {one.path for one in self.found if one.real == root + one.path}
        first: dict[tuple[str, str], str] = {}
        kept = []
        for one in self.found:
            kind = _loaded_as(one.path)
            real = one.real.removeprefix(root) if one.real.startswith(root) else None
            if kind is None or real is None or (other := self._place(kind, real, one, own, first)) is None:
                kept.append(one)
            else:
                self.leave_out(one.path, f"a symbolic link to {_shown(other)}, which is loaded once")
        self.found = kept

    @staticmethod
    def _place(kind: str, real: str, one: _Found, own: set[str], first: dict[tuple[str, str], str]) -> str | None:
        """The other path that the same component is loaded from, None if this is its place."""
        if one.path in own:
            return None
        if real in own and _loaded_as(real) == kind:
            return real
        place = first.setdefault((kind, real), one.path)
        return None if place == one.path else place

    def _within_limits(self) -> Iterator[_Found]:
        """All files where they are within the limits of a tree; otherwise components first, then the smallest."""
        if len(self.found) <= MAX_FILES and sum(one.size_bytes for one in self.found) <= MAX_TREE_BYTES:
            yield from self.found
            return
        total = count = 0
        for one in sorted(self.found, key=lambda one: (not one.path.startswith(_COMPONENTS), one.size_bytes, one.path)):
            if count >= MAX_FILES:
                self.leave_out(one.path, f"more than {MAX_FILES} files")
            elif total + one.size_bytes > MAX_TREE_BYTES:
                self.leave_out(one.path, f"the files together are larger than {MAX_TREE_BYTES} bytes")
            else:
                count, total = count + 1, total + one.size_bytes
                yield one


def _loaded_as(path: str) -> str | None:
    """The kind of component that Claude Code loads from a file of a default folder."""
    kind, _, rest = path.partition("/")
    if kind == "skills":
        return kind if rest.count("/") == 1 and rest.endswith("/SKILL.md") else None
    return kind if kind in ("commands", "agents") and rest.endswith(".md") else None


def _is_inside(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(f"{folder}/")


def _shown(path: str) -> str:
    return path.encode("unicode_escape").decode()[:200]
