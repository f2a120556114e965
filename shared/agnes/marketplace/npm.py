"""npm sources: a package of the operator's registry, its archive proved by its integrity and read as a folder.

The registry is a setting, never the catalog's word: what a catalog names is only a package. The archive
goes through the same rules of paths, modes and sizes as a repository's files, and is never unpacked.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import json
import re
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from agnes.claude_code import semver
from agnes.kernel.git import EXECUTABLE, FILE, SYMLINK, GitDamaged, GitEntry
from agnes.kernel.web import WebReader
from agnes.marketplace.limits import MAX_ENTRIES, MAX_PACKUMENT_BYTES, MAX_TARBALL_BYTES
from agnes.marketplace.sources import SourceInvalid
from agnes.trees.rules import MAX_FILES, MAX_TREE_BYTES

NO_REGISTRY = "npm sources come from a registry that an operator names: AGNES_NPM_REGISTRY is not set"
_PACKAGE = re.compile(r"(@[a-z0-9~-][a-z0-9._~-]{0,100}/)?[a-z0-9~-][a-z0-9._~-]{0,100}")
_TAG = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}")
_STRENGTH = ("sha512", "sha384", "sha256")
_EXTENDED = (b"x", b"g", b"X", b"L", b"K")
_WITHOUT_DATA = (b"1", b"2", b"3", b"4", b"5", b"6")
_MAX_EXTENDED_BYTES = 8_192
_MAX_ALL_EXTENDED_BYTES = 4_000_000
_NO_RECORD = re.compile(rb"\d (size|hdrcharset)=|\d{100}")
"""A size beside that of the header, another way to write names, and lengths that tarfile goes through for each digit."""
_OCTAL = re.compile(rb"[0-7]*")
_HEADER_ROOM = 1_024 * MAX_FILES
"""What a tar file adds to its members."""


@dataclass(frozen=True, slots=True)
class Package:
    name: str
    wanted: str
    """A version, a range, or a tag; `latest` if the catalog says nothing."""


def package_of(source: dict[str, Any], registry: str) -> Package:
    """What an `npm` source names. Raises SourceInvalid."""
    if not registry:
        raise SourceInvalid(NO_REGISTRY)
    name, wanted, named = source.get("package"), source.get("version"), source.get("registry")
    if not isinstance(name, str) or not _PACKAGE.fullmatch(name):
        raise SourceInvalid("source: package must be the name of an npm package")
    if wanted is not None and (not isinstance(wanted, str) or len(wanted) > 200):
        raise SourceInvalid("source: version must be a version, a range or a tag")
    if named is not None and (not isinstance(named, str) or named.rstrip("/") != registry):
        raise SourceInvalid("source: the registry is not the one that the operator chose")
    text = (wanted or "").strip() or "latest"
    if not _TAG.fullmatch(text) and not semver.is_range(text):
        raise SourceInvalid("source: version must be a version, a range or a tag")
    return Package(name, text)


@dataclass(frozen=True, slots=True)
class Release:
    """One version of a package, and how its archive is proved."""

    name: str
    version: str
    tarball: str
    algorithm: str
    digest: str
    """In hexadecimal."""


def resolve(web: WebReader, registry: str, package: Package, *, seconds: float) -> Release:
    """Ask the registry what the wanted version is. Raises SourceInvalid and the family of `agnes.kernel.web`."""
    file = web.fetch(
        f"{registry}/{quote(package.name, safe='@')}",
        seconds=seconds,
        max_bytes=MAX_PACKUMENT_BYTES,
        accept="application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8",
    )
    try:
        document = json.loads(file.body) if file else None
    except (ValueError, RecursionError) as exc:
        raise SourceInvalid("the registry's answer is not JSON") from exc
    versions, tags = _dict(document, "versions"), _dict(document, "dist-tags")
    version = tags.get(package.wanted) if _TAG.fullmatch(package.wanted) else None
    if version is None and semver.is_range(package.wanted):
        version = semver.best(versions, package.wanted)
    dist = _dict(versions.get(version) if isinstance(version, str) else None, "dist")
    if not isinstance(version, str) or not dist:
        raise SourceInvalid(f"the registry has no {package.name} of {package.wanted}")
    tarball, integrity = dist.get("tarball"), dist.get("integrity")
    if not isinstance(tarball, str) or urlsplit(tarball).scheme not in ("http", "https"):
        raise SourceInvalid(f"the registry names no archive of {package.name} {version[:60]}")
    algorithm, digest = _integrity(integrity, f"{package.name} {version[:60]}")
    return Release(package.name, version, tarball, algorithm, digest)


def _dict(value: Any, key: str) -> dict[str, Any]:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _integrity(given: Any, what: str) -> tuple[str, str]:
    """(algorithm, digest) of the strongest hash that the registry gives; SHA-1 proves nothing any more."""
    found: dict[str, str] = {}
    for word in given.split()[:8] if isinstance(given, str) else ():
        algorithm, _, encoded = word.partition("?")[0].partition("-")
        try:
            found[algorithm] = base64.b64decode(encoded, validate=True).hex()
        except (binascii.Error, ValueError):
            continue
    for algorithm in _STRENGTH:
        if len(found.get(algorithm, "")) == 2 * hashlib.new(algorithm).digest_size:
            return algorithm, found[algorithm]
    raise SourceInvalid(f"the registry gives no integrity of {what} (sha512, sha384 or sha256)")


@dataclass
class NpmSnapshot:
    """A `GitSnapshot` over a package's archive, which is fetched when it is first walked."""

    web: WebReader
    release: Release
    seconds: float
    commit: str = ""
    _bodies: dict[str, bytes] = field(default_factory=dict)

    def folder(self, path: str) -> str | None:
        """The archive's only folder; its id names all bytes in it, as the integrity does."""
        if path:
            return None
        return f"npm {self.release.name} {self.release.version} {self.release.algorithm} {self.release.digest}"

    def entry(self, path: str) -> GitEntry | None:
        return next((found for found in self.walk("") if found.path == path), None)

    def walk(self, tree_id: str) -> Iterator[GitEntry]:  # noqa: ARG002 (the port's; there is one tree)
        """Every file of the archive. Raises SourceInvalid, GitDamaged, the family of `agnes.kernel.web`."""
        body = self._archive()
        _check_headers(body)
        try:
            with tarfile.open(fileobj=io.BytesIO(body), mode="r:") as archive:
                for number, member in enumerate(archive):
                    if not member.isdir():
                        yield self._entry(archive, member, str(number))
        except SourceInvalid:
            raise
        except (tarfile.TarError, OSError, ValueError, LookupError) as exc:  # a damaged header raises any of them
            raise GitDamaged("the package's archive is damaged") from exc

    def _entry(self, archive: tarfile.TarFile, member: tarfile.TarInfo, oid: str) -> GitEntry:
        # npm puts all of it into one folder, mostly `package`, and takes whatever that is called away.
        path = member.name.removeprefix("./").partition("/")[2] or member.name
        if not member.isreg() or member.issparse():  # a sparse file of a few bytes unpacks to any size
            return GitEntry(path, SYMLINK if member.issym() or member.islnk() else 0, "", 0)
        body = archive.extractfile(member)
        self._bodies[oid] = body.read() if body else b""
        return GitEntry(path, EXECUTABLE if member.mode & 0o111 else FILE, oid, len(self._bodies[oid]))

    def read(self, oid: str) -> bytes:
        return self._bodies.pop(oid)

    def _archive(self) -> bytes:
        """The tar file, unpacked under a limit after its hash was found right."""
        release = self.release
        file = self.web.fetch(release.tarball, seconds=self.seconds, max_bytes=MAX_TARBALL_BYTES)
        body = file.body if file else b""
        if hashlib.new(release.algorithm, body).hexdigest() != release.digest:
            raise SourceInvalid(
                f"the archive of {release.name} {release.version[:60]} is not the one that the registry's integrity names"
            )
        most = MAX_TREE_BYTES + _HEADER_ROOM
        stream = zlib.decompressobj(wbits=31)
        try:
            plain = stream.decompress(body, most + 1)
        except zlib.error as exc:
            raise GitDamaged("the package's archive is no gzip file") from exc
        if len(plain) > most:
            raise SourceInvalid(f"the package's files are larger than {MAX_TREE_BYTES} bytes together")
        if not stream.eof:
            raise GitDamaged("the package's archive is cut")
        return plain


def _check_headers(body: bytes) -> None:
    """Walk the headers of a tar file as tarfile will: with a negative size it goes round for ever, an extended header takes
    it the square of its length, and each member some kilobytes. Raises GitDamaged, SourceInvalid."""
    at = members = extended = 0
    while at + 512 <= len(body) and any(header := body[at : at + 512]):
        size, kind = _size(header[124:136]), header[156:157]
        if kind in _EXTENDED:
            extended += size
            record = body[at + 512 : at + 512 + size]
            if size > _MAX_EXTENDED_BYTES or extended > _MAX_ALL_EXTENDED_BYTES or _NO_RECORD.search(record):
                raise GitDamaged("the package's archive has an extended header that no package needs")
        if kind == b"S" and header[482]:
            raise GitDamaged("the package's archive has a sparse file")
        members += 1
        if members > MAX_ENTRIES:
            raise SourceInvalid(f"the package's archive has more than {MAX_ENTRIES} entries")
        is_old_folder = kind == b"\0" and header[:100].split(b"\0")[0].endswith(b"/")
        at += 512 + (0 if kind in _WITHOUT_DATA or is_old_folder else -(-size // 512) * 512)


def _size(field: bytes) -> int:
    """Raises GitDamaged."""
    digits = field.split(b"\0")[0].strip()
    if field[0] == 0x80 and not any(field[1:4]):  # in base 256
        return int.from_bytes(field[4:], "big")
    if not _OCTAL.fullmatch(digits):
        raise GitDamaged("the package's archive is damaged")
    return int(digits or b"0", 8)
