"""Claude Code's `settings.json`: read whole or not at all, replaced in one step. A file that we do not understand to the
last is left alone: it is somebody else's."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from agnes_cli.failures import BadInput, Failure


def read(path: Path) -> dict[str, Any]:
    """{} where there is none. Raises BadInput, for comments, too: they would be lost."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_once)
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as exc:
        raise BadInput(
            f"{path} is not JSON: {str(exc) or 'too deep'}", hint="It was left alone; correct it, then run this again."
        ) from exc
    except OSError as exc:
        raise Failure(f"{path} cannot be read: {exc.strerror}", hint="It was left alone.") from exc
    if not isinstance(found, dict):
        raise BadInput(f"{path} holds no JSON object", hint="It was left alone.")
    return found


def write(path: Path, settings: dict[str, Any]) -> None:
    """Where a link points, with the permissions that the file has; one that would hold nothing is removed."""
    target = path.resolve() if path.is_symlink() else path
    if not settings and not path.is_symlink():
        target.unlink(missing_ok=True)
        return
    try:
        text = (json.dumps(settings, indent=2, ensure_ascii=False) + "\n").encode()
    except UnicodeEncodeError:  # half of a pair, which only an escape can say
        text = (json.dumps(settings, indent=2) + "\n").encode()
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".settings.json.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            temporary.chmod(stat.S_IMODE(target.stat().st_mode))
        temporary.replace(target)
    except OSError as exc:
        temporary.unlink(missing_ok=True)
        raise Failure(f"{path} cannot be written: {exc.strerror}", hint="It was left as it was.") from exc


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        name = next(name for name, _ in pairs if [other for other, _ in pairs].count(name) > 1)
        raise ValueError(f"{name!r} stands twice in one object")
    return found
