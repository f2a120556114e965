"""Makes a SAM template ready for CloudFormation: what it names on this disk is zipped, uploaded and named there.

The same work as `sam package`, for one bucket, without the SAM command. Same folder, same zip, same key.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from botocore.exceptions import ClientError

# Resource type -> the property that names a folder, and how CloudFormation wants the upload named there.
ARCHIVES = {
    "AWS::Serverless::Function": ("CodeUri", "Bucket", "Key"),
    "AWS::Serverless::LayerVersion": ("ContentUri", "Bucket", "Key"),
    "AWS::Lambda::Function": ("Code", "S3Bucket", "S3Key"),
    "AWS::Lambda::LayerVersion": ("Content", "S3Bucket", "S3Key"),
}
LAYERS = ("ContentUri", "Content")
TEMPLATES = {"AWS::CloudFormation::Stack": "TemplateURL", "AWS::Serverless::Application": "Location"}
ZIP_DATE = (1980, 1, 1, 0, 0, 0)


class TemplateRefused(Exception):
    """A template that cannot be packaged: which one, and why."""


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms (`!Ref`, `!Sub`, `!GetAtt` and their kin)."""


def _short_form(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any = None
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _short_form)


# A date such as a policy's Version stays the text that it is.
def _text(loader: _Loader, node: yaml.ScalarNode) -> str:
    return loader.construct_scalar(node)


_Loader.add_constructor("tag:yaml.org,2002:timestamp", _text)


def load_template(path: Path) -> dict[str, Any]:
    try:
        template = yaml.load(path.read_text(), _Loader)
    except (OSError, yaml.YAMLError) as failure:
        raise TemplateRefused(f"{path}: {failure}") from failure
    if not isinstance(template, dict) or "Resources" not in template:
        raise TemplateRefused(f"{path}: no Resources in it")
    return template


def zip_folder(folder: Path, *, compiled: bool = False) -> bytes:
    """The folder as a zip whose bytes depend on names, contents and the executable bit only; with what was `compiled` in it,
    as a layer's build does, or without, as a checkout's use does by the way."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as bundle:
        for path in _files(folder, compiled=compiled):
            member = zipfile.ZipInfo(path.relative_to(folder).as_posix(), ZIP_DATE)
            member.create_system = 3  # Unix, wherever this runs
            member.external_attr = (0o755 if os.access(path, os.X_OK) else 0o644) << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            bundle.writestr(member, path.read_bytes())
    return out.getvalue()


def _files(folder: Path, *, compiled: bool) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and (compiled or "__pycache__" not in path.parts):
            yield path


@dataclasses.dataclass
class Packager:
    s3: Any
    """A boto3 S3 client."""
    bucket: str
    address: str
    """The URL under which CloudFormation reads the bucket."""
    uploaded_bytes: int = 0

    def __post_init__(self) -> None:
        self._folders: dict[Path, str] = {}

    def template_url(self, path: Path) -> str:
        """Packages this template and those it nests; the URL of the result."""
        template = load_template(path)
        defaults = (template.get("Globals") or {}).get("Function")
        if defaults:
            self._archive(path, "Globals", defaults, "AWS::Serverless::Function")
        for name, resource in template["Resources"].items():
            kind, properties = resource.get("Type"), resource.get("Properties") or {}
            if kind in ARCHIVES:
                self._archive(path, name, properties, kind)
            elif kind in TEMPLATES and isinstance(there := properties.get(TEMPLATES[kind]), str) and "://" not in there:
                properties[TEMPLATES[kind]] = self.template_url(path.parent / there)
        key = self._put(json.dumps(template, sort_keys=True).encode(), "json")
        return f"{self.address}/{key}"

    def _archive(self, template: Path, name: str, properties: dict[str, Any], kind: str) -> None:
        where, bucket, key = ARCHIVES[kind]
        named = properties.get(where)
        if not isinstance(named, str) or "://" in named:
            return  # inline code, an upload already, or inherited from Globals
        folder = (template.parent / named).resolve()
        if not folder.is_dir():
            raise TemplateRefused(f"{template}: {name}.{where} names {named}, which is no folder. Was it built?")
        if folder not in self._folders:
            self._folders[folder] = self._put(zip_folder(folder, compiled=where in LAYERS), "zip")
        properties[where] = {bucket: self.bucket, key: self._folders[folder]}

    def _put(self, body: bytes, suffix: str) -> str:
        key = f"{hashlib.sha256(body).hexdigest()}.{suffix}"
        with contextlib.suppress(ClientError):
            self.s3.head_object(Bucket=self.bucket, Key=key)
            return key
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        self.uploaded_bytes += len(body)
        return key
