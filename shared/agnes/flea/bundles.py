"""Entities on their way from one installation to another: a zip of one archive each, and a manifest.

    manifest.json                {format, entities: [{path, type, name, description, category, video_url, owner_email, photo, docs}]}
    entities/<n>/content.zip     as somebody would upload it
    entities/<n>/<file>          its photo and documents

Each is imported as its owner's upload, through the same checks and the same review; one that is refused costs itself.
"""

from __future__ import annotations

import io
import json
import stat
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from agnes.accounts import directory
from agnes.accounts import service as accounts
from agnes.flea import archive, content, repository, submitting, trees_of
from agnes.flea.limits import MAX_BUNDLE_BYTES, MAX_BUNDLE_ENTITIES
from agnes.flea.market import Market
from agnes.flea.model import Entity
from agnes.flea.offers import Offer
from agnes.kernel.errors import AgnesError, InvalidError, TooLargeError, UnavailableError
from agnes.kernel.ids import new_ulid
from agnes.kernel.ports import ObjectStore
from agnes.kernel.principal import Principal
from agnes.kernel.state import Db
from agnes.marketplace import assets
from agnes.trees.damage import TreeDamaged

BUNDLES = "flea/bundles/"
FORMAT = 1
MANIFEST = "manifest.json"
SECONDS = 20.0
"""Of one request to import; what is left is imported by the next one."""
Mode = Literal["merge", "replace", "skip"]
"""What becomes of a name that its owner has already: a new version if it differs; a new version; nothing."""


class BundleInvalid(InvalidError):
    code = "bundle_invalid"

    def __init__(self, reason: str) -> None:
        super().__init__(reason, hint="Export it again: GET /api/store/bundle.zip, or `agnes admin store pull`.")


@dataclass(frozen=True, slots=True)
class Exported:
    key: str
    count: int
    left_out: list[str]
    """Served names of what could not be read."""


@dataclass(slots=True)
class Imported:
    imported: int = 0
    replaced: int = 0
    skipped: int = 0
    left: int = 0
    """For which there was no time: send the same bundle again."""
    errors: list[dict[str, str]] = field(default_factory=list)
    """`name`, `code` and `message` of each that was refused."""


def export(market: Market, found: Iterable[Entity]) -> Exported:
    """Write a bundle into the store, an entity at a time; what has no live version is left out."""
    wanted = [one for one in found if one.tree_id is not None]
    if len(wanted) > MAX_BUNDLE_ENTITIES:
        raise TooLargeError(f"{len(wanted)} entities are too many for one bundle", limit=MAX_BUNDLE_ENTITIES)
    with market.state.read("people") as db:
        people = directory.named(db, {one.owner_user_id for one in wanted})
    left_out: list[str] = []
    lines: list[dict[str, Any]] = []
    key = f"{BUNDLES}{new_ulid(market.clock.now())}.zip"

    def pieces() -> Iterator[bytes]:
        pipe = _Pipe()
        with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as whole:
            for number, one in enumerate(wanted):
                try:
                    line, members = _exported(market.store, one, f"entities/{number}/")
                except (TreeDamaged, AgnesError):
                    left_out.append(one.served_name)
                    continue
                owner = people.get(one.owner_user_id)
                lines.append({**line, "owner_email": owner.email if owner else ""})
                for path, body in members.items():
                    whole.writestr(_member(path), body)
                yield pipe.take()
            whole.writestr(_member(MANIFEST), json.dumps({"format": FORMAT, "entities": lines}, indent=1))
        yield pipe.take()

    market.store.write_pieces(key, pieces(), content_type="application/zip")
    return Exported(key, len(lines), left_out)


def read(body: bytes) -> list[tuple[str, Offer, str]]:
    """(name, what is offered, owner's address) of each entity. Raises BundleInvalid, and as `archive.unpack` does."""
    files = {
        f.path: f.body for f in archive.unpack(body, max_bytes=MAX_BUNDLE_BYTES, max_file_bytes=MAX_BUNDLE_BYTES).files
    }
    try:
        manifest = json.loads(files[MANIFEST])
        if manifest["format"] != FORMAT or not isinstance(manifest["entities"], list):
            raise BundleInvalid(f"the bundle is of format {str(manifest['format'])[:20]}, and {FORMAT} is read")
        lines = [dict(line) for line in manifest["entities"]]
    except (KeyError, ValueError, TypeError, RecursionError) as exc:
        raise BundleInvalid("the bundle has no manifest.json that can be read") from exc
    if len(lines) > MAX_BUNDLE_ENTITIES:
        raise TooLargeError(f"the bundle has {len(lines)} entities", limit=MAX_BUNDLE_ENTITIES)
    return [(str(line.get("name"))[:80], _offer(line, files), str(line.get("owner_email", ""))) for line in lines]


def load(market: Market, who: Principal, body: bytes, mode: Mode) -> Imported:
    """Import a bundle for an admin, as far as SECONDS allow. Again goes on where the last time ended, and changes nothing else.

    Whose owner has no account here is the admin's. Raises BundleInvalid, and as `archive.unpack` does.
    """
    who.require_admin()
    report = Imported()
    entries = read(body)
    began = market.clock.monotonic()
    for number, (name, offer, email) in enumerate(entries):
        if market.clock.monotonic() - began > SECONDS:
            report.left = len(entries) - number
            break
        try:
            outcome = _load(market, _owner(market, who, email), offer, mode)
        except UnavailableError:
            raise
        except AgnesError as exc:
            report.errors.append({"name": name, "code": exc.code, "message": exc.message})
            continue
        setattr(report, outcome, getattr(report, outcome) + 1)
    return report


def _load(market: Market, owner: Principal, offer: Offer, mode: Mode) -> str:
    if offer.body is None:
        raise BundleInvalid("its content is not in the bundle")
    with market.state.read("flea") as db:
        known = repository.with_name(db, owner_id=owner.user_id, name=offer.name or "")
        same = known is not None and _is_same(db, market.store, known, offer)
    if known is None:
        submitting.create(market, owner, offer, kind="import")
        return "imported"
    if mode == "skip" or (mode == "merge" and same):
        return "skipped"
    submitting.update(market, owner, known.id, offer, kind="import")
    return "replaced"


def _is_same(db: Db, store: ObjectStore, known: Entity, offer: Offer) -> bool:
    """Whether the newest version of an entity has the bytes and the words that are offered."""
    newest = next(iter(repository.submissions_of(db, known.id)), None)
    if newest is None or newest.tree_id is None or offer.body is None:
        return False
    has = content.unbaked(newest.type, newest.served_name, trees_of.files(store, newest.tree_id)).files
    try:
        wants = content.read_upload(offer.filename, offer.body, newest.type)
        baked = content.bake(wants, served=newest.served_name, description=newest.description)
    except AgnesError:
        return False
    again = content.unbaked(newest.type, newest.served_name, baked.files).files
    words = (newest.description, newest.category, newest.video_url or "")
    return set(has) == set(again) and words == (offer.description, offer.category, offer.video_url or "")


def _owner(market: Market, who: Principal, email: str) -> Principal:
    with market.state.read("people") as db:
        person = accounts.find_user_by_email(db, email.strip().lower()) if email else None
        if person is None or not person.active:
            return who
        return accounts.principal_of(db, person.id)


def _exported(store: ObjectStore, one: Entity, at: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    """(line of the manifest, members by path)."""
    files = content.unbaked(one.type, one.served_name, trees_of.files(store, one.tree_id or "")).files
    members = {f"{at}content.zip": trees_of.zipped(files)}
    photo = next(iter(trees_of.assets_of(one.photo)), None)
    docs = trees_of.assets_of(one.docs)
    for asset in (*((photo,) if photo else ()), *docs):
        members[f"{at}{'photo' if asset is photo else 'docs'}/{asset.filename}"] = assets.read(store, asset)
    line = {
        "path": f"{at}content.zip",
        "type": one.type,
        "name": one.name,
        "description": one.description,
        "category": one.category,
        "video_url": one.video_url,
        "version": one.version,
        "photo": f"{at}photo/{photo.filename}" if photo else None,
        "docs": [f"{at}docs/{asset.filename}" for asset in docs],
    }
    return line, members


def _offer(line: dict[str, Any], files: dict[str, bytes]) -> Offer:
    def text(key: str) -> str | None:
        value = line.get(key)
        return value if isinstance(value, str) else None

    photo, docs = text("photo"), line.get("docs")
    paths = [path for path in docs if isinstance(path, str) and path in files] if isinstance(docs, list) else []
    return Offer(
        filename="content.zip",
        body=files.get(text("path") or ""),
        type=text("type"),
        name=text("name"),
        description=text("description"),
        category=text("category"),
        video_url=text("video_url"),
        photo=(photo, files[photo]) if photo and photo in files else None,
        docs=[(path, files[path]) for path in paths],
    )


def _member(path: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0))
    info.external_attr, info.create_system = (stat.S_IFREG | 0o644) << 16, 3
    return info


class _Pipe(io.RawIOBase):
    """Takes what a zip writes, to be handed on piece by piece; it cannot go back, so sizes stand behind each member."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        found, self._pieces = b"".join(self._pieces), []
        return found
