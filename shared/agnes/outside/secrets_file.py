"""Secrets in one file that only its owner reads: the embedded default."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from agnes.kernel.errors import AgnesError, UnavailableError
from agnes.kernel.ports import Secret


class SecretsDamaged(AgnesError):
    """The file is not what we write: somebody edited it by hand."""

    code = "secrets_damaged"

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is not a JSON object of strings", hint="Restore it from a backup, or remove it.")


class SecretsFile:
    """A JSON object of names and values, mode 0600, replaced whole.

    Changes of several processes wait for one another at a lock file beside it. A reader needs no lock:
    it sees the file before or after a change. A returned `put` is on disk.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, name: str) -> Secret | None:
        value = self._load().get(name)
        return None if value is None else Secret(value)

    def put(self, name: str, secret: Secret) -> None:
        self._change(lambda held: held.__setitem__(name, secret.value))

    def add(self, name: str, secret: Secret) -> Secret:
        self._change(lambda held: held.setdefault(name, secret.value))
        return self.get(name) or secret

    def remove(self, name: str) -> None:
        self._change(lambda held: held.pop(name, None))

    def names(self) -> tuple[str, ...]:
        return tuple(self._load())

    def _load(self) -> dict[str, str]:
        try:
            held = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise UnavailableError(f"cannot read {self._path}: {error.strerror}") from error
        except ValueError as error:
            raise SecretsDamaged(self._path) from error
        if not isinstance(held, dict) or not all(isinstance(value, str) for value in held.values()):
            raise SecretsDamaged(self._path)
        return held

    def _change(self, change: Callable[[dict[str, str]], object]) -> None:
        try:
            with self._locked():
                held = self._load()
                change(held)
                self._replace(json.dumps(held, indent=1, sort_keys=True).encode())
        except OSError as error:
            raise UnavailableError(f"cannot write {self._path}: {error.strerror}") from error

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """The kernel frees the lock when its holder dies."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(self._path.with_name(f"{self._path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def _replace(self, body: bytes) -> None:
        """Under the lock, so one name for the new file is enough, and what a killed process left is overwritten."""
        temporary = self._path.with_name(f"{self._path.name}.new")
        with open(temporary, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
