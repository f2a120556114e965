"""What the client remembers: `config.json` (the server), `token.json` (the credential, readable by its owner only),
`seen.json` (the state that it made at the server a moment ago) and `asked.json` (the last conversation of
`agnes admin ask`).

All live in AGNES_CONFIG_DIR, by default `~/.config/agnes`.
"""

from __future__ import annotations

import json
import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from agnes_cli.failures import BadInput, Failure, NotSignedIn

SEEN_SECONDS = 60
"""As long as a browser keeps the same in its cookie: other workers have caught up by then."""
_GENERATIONS = re.compile(r"[a-z]{1,32}:\d{1,15}(,[a-z]{1,32}:\d{1,15}){0,15}")


@dataclass(frozen=True)
class Credential:
    token: str
    email: str = ""
    token_id: str = ""

    def __repr__(self) -> str:
        return f"Credential({self.email})"


def folder() -> Path:
    given = os.environ.get("AGNES_CONFIG_DIR")
    return Path(given).expanduser() if given else Path.home() / ".config" / "agnes"


def marketplace_home() -> Path:
    """Where the copy of the marketplace is kept: `~/.agnes`, or AGNES_CONFIG_DIR if that is given."""
    given = os.environ.get("AGNES_CONFIG_DIR")
    return Path(given).expanduser().absolute() if given else Path.home() / ".agnes"


def find_server() -> str | None:
    """AGNES_SERVER, else what `agnes login` remembered."""
    return os.environ.get("AGNES_SERVER") or _read("config.json").get("server")


def get_server(given: str | None = None) -> str:
    """The server's base URL without a trailing slash. Raises BadInput."""
    url = (given or find_server() or "").rstrip("/")
    if not url:
        raise BadInput("no server is known", hint="Run `agnes login --server URL`, or set AGNES_SERVER.")
    if urlsplit(url).scheme not in ("http", "https"):
        raise BadInput(f"{url} is no http or https URL")
    return url


def find_credential() -> Credential | None:
    """AGNES_TOKEN, else what `agnes login` stored: the environment is said for this one command."""
    if token := os.environ.get("AGNES_TOKEN", "").strip():
        return Credential(token)
    stored = _read("token.json")
    if stored.get("token"):
        return Credential(stored["token"], stored.get("email", ""), stored.get("token_id", ""))
    return None


def get_credential() -> Credential:
    """Raises NotSignedIn."""
    credential = find_credential()
    if credential is None:
        raise NotSignedIn("you are not signed in", hint="Run `agnes login`.")
    return credential


def remember(server: str, credential: Credential) -> None:
    folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(folder() / "config.json", json.dumps({"server": server}, indent=2) + "\n")
    said = {"token": credential.token, "email": credential.email, "token_id": credential.token_id}
    write_private(folder() / "token.json", json.dumps(said, indent=2) + "\n")


def forget_credential() -> None:
    (folder() / "token.json").unlink(missing_ok=True)


def remember_seen(server: str, generations: str) -> None:
    """Keep what the answer to a write said, so that this computer's next reads are not older than it."""
    if _GENERATIONS.fullmatch(generations):
        with suppress(OSError):  # a hint; at worst a read is a second old
            folder().mkdir(mode=0o700, parents=True, exist_ok=True)
            said = {"server": server, "generations": generations, "at": time.time()}
            write_private(folder() / "seen.json", json.dumps(said) + "\n")


def seen(server: str) -> str | None:
    """The value of X-Agnes-Generation for a request to `server`, if it wrote something within the last minute."""
    try:
        said = json.loads((folder() / "seen.json").read_text(encoding="utf-8"))
        fresh = said["server"] == server and 0 <= time.time() - said["at"] < SEEN_SECONDS
        return said["generations"] if fresh and _GENERATIONS.fullmatch(said["generations"]) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remember_conversation(server: str, turns: list[dict[str, str]]) -> None:
    """Keep what `agnes admin ask` was asked, for a follow-up."""
    with suppress(OSError):  # at worst a follow-up begins anew
        folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(folder() / "asked.json", json.dumps({"server": server, "turns": turns}) + "\n")


def conversation(server: str) -> list[dict[str, str]]:
    """The turns that were kept for `server`, oldest first."""
    try:
        said = json.loads((folder() / "asked.json").read_text(encoding="utf-8"))
        turns = [{"question": str(turn["question"]), "sql": str(turn["sql"])} for turn in said["turns"]]
        return turns if said["server"] == server else []
    except (OSError, ValueError, KeyError, TypeError):
        return []


def write_private(path: Path, text: str) -> None:
    """Replace `path` in one step, readable and writable by its owner only from the first byte on."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _read(name: str) -> dict[str, Any]:
    path = folder() / name
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as exc:
        raise Failure(f"{path} cannot be read: {type(exc).__name__}", hint="Remove it and run `agnes login`.") from exc
    return found if isinstance(found, dict) else {}
