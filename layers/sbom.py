"""Lists what a layer or the command's wheel brings, as CycloneDX, from what pip reports of its install.

Each distribution has its version, its licence as its metadata says it, and the SHA-256 of the file that was installed.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License, LicenseAcknowledgement, LicenseExpression
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "build" / "sbom"

UNKNOWN_LICENCE = "not stated"

# Those that name one licence: "BSD License", for example, may be any of several, and is told as it is.
CLASSIFIERS = {
    "MIT License": "MIT",
    "ISC License (ISCL)": "ISC",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}


def write(name: str, about: Component, report: Mapping[str, Any]) -> Path:
    """Write the list of what `pip install --report` says was installed into build/sbom/<name>.cdx.json. Returns that file."""
    bom = Bom()
    bom.metadata.component = about
    components = {normalized(one["metadata"]["name"]): component(one) for one in report["install"]}
    bom.components.update(components.values())
    bom.register_dependency(about, components.values())
    for one in report["install"]:
        needed = (components.get(name) for name in needs(one["metadata"], report["environment"]))
        bom.register_dependency(components[normalized(one["metadata"]["name"])], [found for found in needed if found])
    file = FOLDER / f"{name}.cdx.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    text = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2)
    file.write_text(text + "\n")
    return file


def subject(name: str, arch: str, *, sha256: str | None = None) -> Component:
    """What a list is about: a layer, or the wheel, for one architecture."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return Component(
        name=name,
        version=project["version"],
        type=ComponentType.APPLICATION,
        bom_ref=name,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=sha256)] if sha256 else None,
        properties=[Property(name="agnes:architecture", value=arch)],
    )


def component(one: Mapping[str, Any]) -> Component:
    """One entry of pip's report. Raises ValueError for what was not installed from a file with a hash."""
    metadata, source = one["metadata"], one["download_info"]
    digest = source.get("archive_info", {}).get("hashes", {}).get("sha256")
    if not digest:
        raise ValueError(f"{metadata['name']} {metadata['version']} was installed without a hash")
    name = normalized(metadata["name"])
    purl = PackageURL("pypi", None, name, metadata["version"])
    return Component(
        name=name,
        version=metadata["version"],
        type=ComponentType.LIBRARY,
        bom_ref=purl.to_string(),
        purl=purl,
        licenses=[licence(metadata)],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
        properties=[Property(name="agnes:file", value=source["url"].rpartition("/")[2])],
        description=metadata.get("summary"),
    )


def licence(metadata: Mapping[str, Any]) -> License | LicenseExpression:
    """By the SPDX expression where there is one, else by the older field or the classifiers, as they are declared."""
    made = LicenseFactory()
    declared = LicenseAcknowledgement.DECLARED
    if expression := metadata.get("license_expression"):
        return made.make_from_string(expression, license_acknowledgement=declared)
    classified = [
        text.rpartition(" :: ")[2] for text in metadata.get("classifier", ()) if text.startswith("License :: ")
    ]
    stated = (metadata.get("license") or "").strip()
    text = stated if stated and "\n" not in stated and len(stated) < 80 else ""
    for one in (text, *(CLASSIFIERS.get(found, found) for found in classified), stated.partition("\n")[0]):
        if one and one not in ("OSI Approved", "UNKNOWN"):
            return made.make_from_string(one, license_acknowledgement=declared)
    return made.make_with_name(UNKNOWN_LICENCE)


def needs(metadata: Mapping[str, Any], environment: Mapping[str, str]) -> Iterator[str]:
    """Names of what a distribution requires in this environment, without its extras."""
    for text in metadata.get("requires_dist", ()):
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({**environment, "extra": ""}):
            yield normalized(requirement.name)


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
