"""A drop location of each kind, with its other end at hand: what people put there."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agnes.kernel.drops import DropPattern, Place
from agnes.kernel.ports import Secret
from tests.builders.ssh_server import SshServer
from tests.contract.stores import BUCKET, S3Server


@dataclass
class DropPlace:
    place: Place
    credential: Secret | None
    root: str
    """What stands before every path."""

    def pattern(self, text: str) -> DropPattern:
        return DropPattern.parse(self.root + text)

    def put(self, path: str, body: bytes) -> None:
        raise NotImplementedError

    def remove(self, path: str) -> None:
        raise NotImplementedError

    def wish(self, id: str, pattern: str, matching: str = "email", **more: Any) -> dict[str, Any]:
        """The body that adds it."""
        place = self.place
        shown = {
            "folder": {},
            "sftp": {name: getattr(place, name) for name in ("host", "port", "username", "host_key")},
            "s3": {name: getattr(place, name) for name in ("bucket", "region", "endpoint")},
        }[place.kind]
        if self.credential:
            shown["credential"] = json.loads(self.credential.value)
        return {"id": id, "kind": place.kind, "pattern": self.root + pattern, "matching": matching, **shown, **more}


class _OnDisk(DropPlace):
    def put(self, path: str, body: bytes) -> None:
        file = Path(self.root + path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)

    def remove(self, path: str) -> None:
        Path(self.root + path).unlink()


class _InBucket(DropPlace):
    client: Any

    def put(self, path: str, body: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=self.root + path, Body=body)

    def remove(self, path: str) -> None:
        self.client.delete_object(Bucket=BUCKET, Key=self.root + path)


def folder_place(folder: Path) -> DropPlace:
    folder.mkdir(parents=True, exist_ok=True)
    return _OnDisk(Place("folder"), None, f"{folder}/")


def sftp_place(server: SshServer, folder: Path) -> DropPlace:
    folder.mkdir(parents=True, exist_ok=True)
    place = Place("sftp", "127.0.0.1", server.port, server.username, server.host_key)
    return _OnDisk(place, Secret(json.dumps({"private_key": server.private_key})), f"{folder}/")


def s3_place(server: S3Server) -> DropPlace:
    keys = {"access_key_id": server.user, "secret_access_key": server.password.value}
    place = Place("s3", bucket=BUCKET, region="us-east-1", endpoint=server.endpoint)
    found = _InBucket(place, Secret(json.dumps(keys)), f"drops/{secrets.token_hex(6)}/")
    found.client = server.client()
    return found
