"""The demonstration marketplace (`demo_marketplace/`) as a bare git repository, written without git.

`make demo` registers one by its `file://` URL; the tests build theirs from the same files. Commits are made of
exactly the entries given, whatever they are named, so a test can also write what no work tree could hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from dulwich.objects import Blob, Commit, ObjectID, Tree
from dulwich.refs import Ref
from dulwich.repo import Repo

REGULAR, EXECUTABLE, SYMLINK, SUBMODULE = 0o100644, 0o100755, 0o120000, 0o160000
AUTHOR = b"Mira Okafor <mira@northwind.example>"
FIRST_COMMIT = datetime(2026, 5, 4, 9, tzinfo=UTC)
DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class File:
    """One tree entry: its bytes (a symlink's target, a submodule's commit) and git mode."""

    body: bytes
    mode: int = REGULAR


def demo_files() -> dict[str, File]:
    """Path to file of the demonstration marketplace; scripts, which begin with `#!`, are executable."""
    return dict(_walk(files("agnes_local") / "demo_marketplace", ""))


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, File]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            if entry.name != "__pycache__":
                yield from _walk(entry, f"{prefix}{entry.name}/")
        else:
            body = entry.read_bytes()
            yield f"{prefix}{entry.name}", File(body, EXECUTABLE if body.startswith(b"#!") else REGULAR)


def write_files(folder: Path, entries: Mapping[str, File]) -> None:
    """The same files in an ordinary folder, for adding it to a client as a local marketplace."""
    for path, entry in entries.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(entry.body)
        target.chmod(entry.mode & 0o777)


@dataclass
class BareRepository:
    """A bare repository whose branch `main` holds `files`; `commit` publishes them as they are now.

    Commits are a day apart from `FIRST_COMMIT`, so the same history has the same SHAs everywhere.
    """

    folder: Path
    files: dict[str, File] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        repo = Repo.init_bare(str(self.folder), default_branch=b"main")
        repo.close()

    @property
    def url(self) -> str:
        return self.folder.absolute().as_uri()

    @property
    def head(self) -> str:
        return self.commits[-1]

    def commit(self, message: str, *, branch: str = "main") -> str:
        """Publish `files` on `branch`; the commit's SHA (40 hexadecimal characters)."""
        with Repo(str(self.folder)) as repo:
            commit = Commit()
            commit.tree = _write_tree(repo, self.files)
            commit.parents = [ObjectID(self.commits[-1].encode())] if self.commits else []
            commit.author = commit.committer = AUTHOR
            commit.author_time = commit.commit_time = int(FIRST_COMMIT.timestamp()) + DAY_SECONDS * len(self.commits)
            commit.author_timezone = commit.commit_timezone = 0
            commit.message = message.encode() + b"\n"
            repo.object_store.add_object(commit)
            repo.refs[Ref(f"refs/heads/{branch}".encode())] = commit.id
            self.commits.append(commit.id.decode())
        return self.head


def _write_tree(repo: Repo, entries: Mapping[str, File]) -> ObjectID:
    """Write the blobs and trees of `entries`. A path is split at `/` and nothing else is thought about it."""
    folders: dict[str, dict[str, File]] = {}
    tree = Tree()
    for path, entry in entries.items():
        first, slash, rest = path.partition("/")
        if slash:
            folders.setdefault(first, {})[rest] = entry
        elif entry.mode == SUBMODULE:
            tree.add(first.encode(), SUBMODULE, ObjectID(entry.body))
        else:
            blob = Blob.from_string(entry.body)
            repo.object_store.add_object(blob)
            tree.add(first.encode(), entry.mode, blob.id)
    for name, inside in folders.items():
        tree.add(name.encode(), 0o040000, _write_tree(repo, inside))
    repo.object_store.add_object(tree)
    return tree.id


def demo_repository(folder: Path) -> BareRepository:
    """`folder`, which must not exist yet, becomes the demonstration marketplace with one commit on `main`."""
    repository = BareRepository(folder, demo_files())
    repository.commit("The guild's plugins")
    return repository
