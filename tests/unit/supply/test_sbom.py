"""Every distribution in a layer is in the layer's list, with its version, its licence and the hash of its pinned file."""

from __future__ import annotations

import json
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest
from cyclonedx.model.bom import Bom

from agnes.ops import version
from agnes_local import pins
from layers import build, sbom, wheel

pytestmark = pytest.mark.slow

HASHES = {(pin.name, pin.version): pin.hashes for pin in pins.read(pins.CONSTRAINTS)}
NO_LICENCE_STATED: set[str] = set()
"""Distributions whose metadata says none. Each needs attention."""


def listed(file: Path) -> tuple[dict, Bom]:
    """The file as JSON, and as the library reads it back."""
    body = json.loads(file.read_text())
    return body, Bom.from_json(body)


def check(body: dict) -> None:
    assert (body["bomFormat"], body["specVersion"]) == ("CycloneDX", "1.6")
    for one in body.get("components", ()):
        name, version = one["name"], one["version"]
        (digest,) = [entry["content"] for entry in one["hashes"] if entry["alg"] == "SHA-256"]
        assert digest in HASHES[name, version], f"{name}: the file's hash is not among the pinned ones"
        (licence,) = one["licenses"]
        stated = licence.get("expression") or licence["license"].get("id") or licence["license"].get("name")
        assert stated
        assert (stated == sbom.UNKNOWN_LICENCE) == (name in NO_LICENCE_STATED), name
        assert one["purl"] == f"pkg:pypi/{name}@{version}"
    refs = {one["bom-ref"] for one in body.get("components", ())} | {body["metadata"]["component"]["bom-ref"]}
    assert {one["ref"] for one in body["dependencies"]} == refs
    assert {ref for one in body["dependencies"] for ref in one.get("dependsOn", ())} <= refs


@pytest.mark.parametrize("name", build.names())
def test_a_layer_and_its_list_are_the_same(name: str) -> None:
    folder = build.build(name, "local")
    body, bom = listed(build.list_contents(name, "local"))
    check(body)
    there = {}
    for file in folder.glob("python/*.dist-info/METADATA"):
        metadata = HeaderParser().parsestr(file.read_text())
        there[pins.normalized(metadata["Name"])] = metadata["Version"]
    asked = Path(build.ROOT / "layers" / name / "requirements.txt")
    assert set(there) == (set() if name == "code" else set(asked.read_text().split()))
    assert {one["name"]: one["version"] for one in body.get("components", ())} == there
    assert {one.name for one in bom.components} == set(there)
    assert body["metadata"]["component"]["name"] == f"agnes-layer-{name}"


def test_the_wheel_is_listed_with_what_the_command_needs() -> None:
    made = wheel.build()
    with zipfile.ZipFile(made) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert tops == {"agnes_cli", f"agnes-{version.NUMBER}.dist-info"}, "nothing of the server"
    body, _ = listed(wheel.list_contents(made))
    check(body)
    names = {one["name"] for one in body["components"]}
    assert {"click", "httpx", "zstandard", "httpcore", "certifi"} <= names
    assert not {"duckdb", "boto3", "pytest"} & names
    (own,) = body["metadata"]["component"]["hashes"]
    assert len(own["content"]) == 64


@pytest.mark.parametrize(
    ("metadata", "stated"),
    [
        ({"license_expression": "MIT AND Apache-2.0", "license": "other"}, "MIT AND Apache-2.0"),
        ({"license": "Apache-2.0"}, "Apache-2.0"),
        ({"license": "", "classifier": ["License :: OSI Approved :: MIT License"]}, "MIT"),
        ({"license": "A text\nof many lines", "classifier": ["License :: OSI Approved :: BSD License"]}, "BSD License"),
        ({"license": "Our own licence\nand its text"}, "Our own licence"),
        ({"license": "UNKNOWN", "classifier": ["License :: OSI Approved"]}, sbom.UNKNOWN_LICENCE),
        ({}, sbom.UNKNOWN_LICENCE),
    ],
)
def test_licences(metadata: dict, stated: str) -> None:
    found = sbom.licence(metadata)
    assert stated in (getattr(found, "value", None), getattr(found, "id", None), getattr(found, "name", None))


def test_what_has_no_hash_is_no_part_of_a_list() -> None:
    report = {"metadata": {"name": "six", "version": "1"}, "download_info": {"url": "file:///six", "dir_info": {}}}
    with pytest.raises(ValueError, match="six 1 was installed without a hash"):
        sbom.component(report)
