"""What is sent to the Flea market: a folder as a zip, or a file as it is; large ones by a presigned URL."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import zipfile
from pathlib import Path
from typing import Any

from agnes_cli import shown
from agnes_cli.failures import BadInput
from agnes_cli.server import Server, route

ENTITIES = "/api/store/entities"
FORM_LIMIT_BYTES = 1_000_000
"""Larger files go by a presigned URL."""
MAX_BYTES = 50 * 1024 * 1024
MAX_FILES = 10_000
LEFT_OUT = frozenset({".git", ".hg", ".svn", "__pycache__", "node_modules", ".venv", "__MACOSX"})
"""Folders that nobody means to share."""
LITTER = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
_SECRET = (".env", ".pem", ".key", ".p12")
"""Endings of files that are named before they leave this computer."""
_TIME = (1980, 1, 1, 0, 0, 0)

COLUMNS = {
    "ID": "id", "NAME": "served", "TYPE": "type", "STATUS": "label", "VERSION": "version", "WAITING": "waiting", "TO DO": "todo",
}  # fmt: skip


def read_source(source: Path) -> tuple[str, bytes]:
    """(filename, bytes) of a file, or of a folder as a zip. Raises BadInput."""
    if source.is_dir():
        return f"{source.resolve().name or 'folder'}.zip", pack(source)
    if not source.is_file():
        raise BadInput(f"{source} is neither a file nor a folder")
    if source.stat().st_size > MAX_BYTES:
        raise BadInput(f"{source} has {source.stat().st_size} bytes, the limit is {MAX_BYTES}")
    return source.name, source.read_bytes()


def pack(folder: Path) -> bytes:
    """A folder as a zip: the same bytes for the same files. Symbolic links are not followed: they may lead anywhere.

    Raises BadInput for what cannot be shared.
    """
    buffer, count, total = io.BytesIO(), 0, 0
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for at, folders, names in os.walk(folder, followlinks=False):
            folders[:] = sorted(name for name in folders if name not in LEFT_OUT and not (Path(at) / name).is_symlink())
            for name in sorted(names):
                file = Path(at) / name
                if name in LITTER or file.is_symlink() or not file.is_file():
                    continue
                path = file.relative_to(folder).as_posix()
                if name.endswith(_SECRET):
                    raise BadInput(f"{path} looks like a secret", hint="Move it out of the folder, and share it again.")
                body = file.read_bytes()
                count, total = count + 1, total + len(body)
                if count > MAX_FILES or total > 4 * MAX_BYTES:
                    raise BadInput(f"{folder} is too large to share", hint="Share the folder of one skill or plugin.")
                info = zipfile.ZipInfo(path, _TIME)
                info.create_system, info.compress_type = 3, zipfile.ZIP_DEFLATED
                info.external_attr = (stat.S_IFREG | (0o755 if os.access(file, os.X_OK) else 0o644)) << 16
                archive.writestr(info, body)
    if not count:
        raise BadInput(f"{folder} holds no file")
    return buffer.getvalue()


def send(
    server: Server, method: str, path: str, source: Path | None, fields: dict[str, str | list[str]], *,
    photo: Path | None = None, docs: tuple[Path, ...] = (),
) -> Any:  # fmt: skip
    """Send the form of an upload, an update or a preview."""
    files: list[tuple[str, tuple[str, bytes]]] = []
    if source is not None:
        filename, body = read_source(source)
        if len(body) > FORM_LIMIT_BYTES:
            fields["upload_id"] = put(server, filename, body)
        else:
            files.append(("file", (filename, body)))
    if photo is not None:
        files.append(("photo", (photo.name, photo.read_bytes())))
    files += [("docs", (doc.name, doc.read_bytes())) for doc in docs]
    return server.send_form(method, path, fields, files)


def put(server: Server, filename: str, body: bytes, *, kind: str = "archive") -> str:
    """PUT a file where the server says; the upload's id."""
    declared = {"filename": filename, "size_bytes": len(body), "sha256": hashlib.sha256(body).hexdigest(), "kind": kind}
    where = server.post("/api/store/uploads", declared)
    server.put_object(where["url"], body, where["headers"])
    return str(where["upload_id"])


def find_own(server: Server, named: str) -> dict[str, Any]:
    """One of one's own by its id, name or served name. Raises BadInput."""
    for one in server.get("/api/store/mine"):
        entity = one["entity"]
        if named.removeprefix("flea-") in (entity["id"], entity["name"], entity["served_name"]):
            return dict(one)
    raise BadInput(f"you share nothing that is called {shown.plain(named)}", hint="`agnes store mine` lists it.")


def entity_path(entity_id: str, *more: str) -> str:
    return route("api", "store", "entities", entity_id, *more)


def row(one: dict[str, Any]) -> dict[str, Any]:
    """A line of `agnes store mine`."""
    waiting = one["waiting"]
    entity: dict[str, Any] = one["entity"]
    return entity | {
        "served": entity["served_name"],
        "label": one["label"],
        "waiting": f"{waiting['n']}: {waiting['label'].lower()}" if waiting else "",
        "todo": one["todo"],
    }
