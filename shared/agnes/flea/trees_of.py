"""Stored bytes of versions: the files of a tree, and the pictures and documents beside it."""

from __future__ import annotations

import io
import json
import stat
import zipfile
import zlib
from collections.abc import Sequence

from agnes.kernel.ports import ObjectStore
from agnes.marketplace.assets import Asset
from agnes.trees import service as trees
from agnes.trees.model import TreeFile

_YEAR = (1980, 1, 1, 0, 0, 0)


def files(store: ObjectStore, tree_id: str) -> list[TreeFile]:
    """Every file of a stored tree. Raises TreeDamaged."""
    tree, pack = trees.get(store, tree_id), trees.read_pack(store, tree_id)
    return [
        TreeFile(one.path, zlib.decompress(pack[one.offset : one.offset + one.length]), one.executable)
        for one in tree.files
    ]


def zipped(found: Sequence[TreeFile]) -> bytes:
    """A zip of files, the same bytes for the same files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(found, key=lambda one: one.path):
            info = zipfile.ZipInfo(file.path, _YEAR)
            info.external_attr = (stat.S_IFREG | (0o755 if file.executable else 0o644)) << 16
            info.compress_type, info.create_system = zipfile.ZIP_DEFLATED, 3
            archive.writestr(info, file.body)
    return buffer.getvalue()


def encode_asset(asset: Asset | None) -> str | None:
    return json.dumps({"key": asset.key, **asset.described()}) if asset else None


def encode_assets(found: Sequence[Asset]) -> str:
    return json.dumps([{"key": asset.key, **asset.described()} for asset in found])


def assets_of(text: str | None) -> list[Asset]:
    """Assets of a column, one or several, without their bytes."""
    found = json.loads(text) if text else []
    return [
        Asset(one["key"], one["content_type"], one["filename"], one["sha256"], one["size_bytes"])
        for one in (found if isinstance(found, list) else [found])
    ]
