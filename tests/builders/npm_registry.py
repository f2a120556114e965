"""An npm registry on loopback: packuments and archives as a test makes them."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from typing import Any

from tests.builders.web_server import WebServer


def archive(files: Mapping[str, str | bytes | tarfile.TarInfo], *, folder: str = "package") -> bytes:
    """An npm archive; a TarInfo stands for a member that is no plain file, under its own name."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for path, body in files.items():
            if isinstance(body, tarfile.TarInfo):
                tar.addfile(body, io.BytesIO(bytes(body.size)))
                continue
            content = body.encode() if isinstance(body, str) else body
            info = tarfile.TarInfo(f"{folder}/{path}")
            info.size, info.mode = len(content), 0o755 if path.startswith("bin/") else 0o644
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def integrity(body: bytes, algorithm: str = "sha512") -> str:
    return f"{algorithm}-{base64.b64encode(hashlib.new(algorithm, body).digest()).decode()}"


class NpmRegistry(WebServer):
    """`publish` adds a version and makes it the latest."""

    def __init__(self) -> None:
        super().__init__()
        self.packages: dict[str, dict[str, Any]] = {}

    def publish(self, name: str, version: str, body: bytes, **dist: Any) -> None:
        """`dist` replaces what the registry says of the archive; a value of None leaves it out."""
        document = self.packages.setdefault(name, {"name": name, "dist-tags": {}, "versions": {}})
        path = f"/{name}/-/{version}.tgz"
        said = {"tarball": self.url(path), "integrity": integrity(body), **dist}
        document["versions"][version] = {"dist": {key: value for key, value in said.items() if value is not None}}
        document["dist-tags"]["latest"] = version
        self.put(path, body, "application/octet-stream")
        self.put(f"/{name.replace('/', '%2F')}", json.dumps(document).encode(), "application/json")
