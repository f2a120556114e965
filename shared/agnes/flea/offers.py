"""What somebody offers: the words, pictures and documents beside the files, each held to its rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from agnes.flea import trees_of
from agnes.flea.content import Recognised
from agnes.flea.limits import (
    MAX_DOCUMENT_BYTES,
    MAX_DOCUMENTS,
    MAX_PHOTO_BYTES,
    MAX_VIDEO_URL_CHARACTERS,
)
from agnes.flea.model import CATEGORIES, TYPES, EntityType, Submission
from agnes.kernel.errors import BadRequestError, TooLargeError, UnsupportedError
from agnes.kernel.principal import Principal
from agnes.marketplace import assets
from agnes.marketplace.assets import Asset, NotTaken


@dataclass(frozen=True, slots=True)
class Offer:
    """What somebody sends. None: not said, so of an update as it was."""

    filename: str = ""
    body: bytes | None = None
    type: str | None = None
    name: str | None = None
    description: str | None = None
    category: str | None = None
    video_url: str | None = None
    changes: str = ""
    photo: tuple[str, bytes] | None = None
    """Filename and bytes."""
    clear_photo: bool = False
    docs: Sequence[tuple[str, bytes]] | None = None
    audience: str | None = None
    audience_groups: Sequence[str] = ()


def named(offer: Offer, found: Recognised) -> str:
    name = (offer.name or "").strip() or found.name
    if not name:
        raise BadRequestError(
            "it says no name, and none was given",
            code="missing_name",
            hint="Give it a name.",
            errors=[{"field": "name", "reason": "needed"}],
        )
    return name


def kept(given: str | None, before: str) -> str:
    """A word that cannot be empty: what was given, or as it was."""
    return given if given and given.strip() else before


def require_type(given: str | None) -> EntityType | None:
    """The type that was asked for, if any. Raises BadRequestError `invalid_type`."""
    found = next((known for known in TYPES if known == given), None)
    if given is not None and found is None:
        raise BadRequestError(f"{given[:40]!r} is no type", code="invalid_type", hint=f"One of {', '.join(TYPES)}.")
    return found


def require_words(who: Principal, offer: Offer) -> None:
    if "@" not in who.email:
        raise BadRequestError("your account has no e-mail address", code="invalid_email", hint="Ask an admin.")
    if offer.category:
        category(offer.category)
    if offer.video_url:
        check_video(offer.video_url)
    audience(offer)


def category(given: str | None) -> str:
    if not given:
        return "Other"
    if given not in CATEGORIES:
        raise BadRequestError(
            f"{given[:60]!r} is no category",
            code="invalid_category",
            hint=f"One of {', '.join(CATEGORIES)}.",
            errors=[{"field": "category", "reason": "choose one of the list"}],
        )
    return given


def check_video(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_web = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None
    except ValueError:
        is_web = False
    if not is_web or len(url) > MAX_VIDEO_URL_CHARACTERS or not url.isprintable() or " " in url:
        raise BadRequestError(
            "the video's address is no http or https URL",
            code="invalid_video_url",
            hint="Such as https://video.example.com/demo.",
            errors=[{"field": "video_url", "reason": "an http or https URL"}],
        )


def audience(offer: Offer) -> tuple[str, list[str]]:
    wanted, groups = offer.audience or "everyone", sorted(set(offer.audience_groups))
    if wanted not in ("everyone", "groups", "private") or (wanted == "groups") != bool(groups):
        raise BadRequestError(
            "say whom it is for: everyone, private, or groups with one group or more",
            code="invalid_audience",
            errors=[{"field": "audience", "reason": "everyone, private, or some groups"}],
        )
    return wanted, groups


def pictures(offer: Offer, live: Submission | None) -> tuple[Asset | None, tuple[Asset, ...]]:
    """Photo and documents: given ones, or those of the live version. Raises UnsupportedError, TooLargeError."""
    photo = next(iter(trees_of.assets_of(live.photo if live else None)), None)
    if offer.clear_photo:
        photo = None
    if offer.photo is not None:
        photo = _asset("photo", *offer.photo)
    if offer.docs is None:
        return photo, tuple(trees_of.assets_of(live.docs if live else None))
    docs = [one for one in offer.docs if not one[0].rpartition("/")[2].startswith(".")]
    if len(docs) > MAX_DOCUMENTS:
        raise TooLargeError(f"more than {MAX_DOCUMENTS} documents", code="too_many_documents", limit=MAX_DOCUMENTS)
    taken: set[str] = set()
    found = []
    for filename, body in docs:
        asset = _asset("docs", filename, body)
        stem, _, ending = asset.filename.rpartition(".")
        name, number = asset.filename, 2
        while name in taken:
            name, number = f"{stem}-{number}.{ending}", number + 1
        taken.add(name)
        found.append(replace(asset, filename=name))
    return photo, tuple(found)


def _asset(field_name: str, filename: str, body: bytes) -> Asset:
    limit = MAX_PHOTO_BYTES if field_name == "photo" else MAX_DOCUMENT_BYTES
    shown = filename.rpartition("/")[2][:80]
    if len(body) > limit:
        raise TooLargeError(f"{shown} has {len(body)} bytes, the limit is {limit}", code="file_too_large", limit=limit)
    try:
        return assets.image(filename, body) if field_name == "photo" else assets.document(filename, body)
    except NotTaken as exc:
        raise UnsupportedError(
            f"{shown}: {exc}", code=f"unsupported_{field_name}", errors=[{"field": field_name, "reason": str(exc)}]
        ) from exc
