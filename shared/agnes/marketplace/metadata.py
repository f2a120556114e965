"""`.claude-plugin/marketplace-metadata.json`: what a curator writes for the pages.

Everything in it is optional, and whatever is malformed is left out with a warning: no plugin is
refused for its page. The result is plain JSON, kept in `marketplace.plugins.metadata`:

    display_name, tagline, description*, category, video_url, cover_url, doc_links [{name, url}],
    use_cases [{title, description, prompt}], sample_interaction {user, assistant*},
    items {"skill:<name>" | "agent:<name>": the same, with invocation and when_to_use*},
    assets {<key>: {content_type, filename, sha256, size_bytes}}

* Markdown, not yet rendered or sanitised: that is for whoever shows it. Absent is absent.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from agnes.marketplace import assets, strict_json
from agnes.marketplace.assets import COVER, DOCUMENT, Asset
from agnes.marketplace.limits import (
    MAX_DOC_LINKS,
    MAX_MARKDOWN_BYTES,
    MAX_METADATA_BYTES,
    MAX_METADATA_ITEMS,
    MAX_TEXT_CHARACTERS,
    MAX_USE_CASES,
)

METADATA = ".claude-plugin/marketplace-metadata.json"
DOC_EXTENSIONS = frozenset({"pdf", "md", "markdown", "txt"})
_BREAKS = re.compile(r"\s+")

Find = Callable[[str], bytes | None]
"""The bytes of a plain file of the repository by its path, None if it has none (or too large a one)."""
Mirrored = Callable[[str, str], tuple[Asset, str]]
"""By kind and URL: our copy, and why it may be old. Raises NotTaken."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file of another server that a page shows."""

    kind: str
    """`cover` or `document`."""
    url: str


def read(body: bytes) -> tuple[dict[str, Any], list[str]]:
    """(`plugins` of the document by name, warnings). A document that cannot be used is an empty one."""
    if len(body) > MAX_METADATA_BYTES:
        return {}, [f"{METADATA}: larger than {MAX_METADATA_BYTES} bytes, ignored"]
    try:
        value = strict_json.parse(body)
    except ValueError as exc:
        return {}, [f"{METADATA}: {exc}, ignored"]
    found = value.get("plugins", {}) if isinstance(value, dict) else None
    if not isinstance(found, dict):
        return {}, [f"{METADATA}: not an object of `plugins`, ignored"]
    return found, []


def wanted(given: Any) -> list[Wanted]:
    """The files of other servers that a plugin's page shows, each once."""
    found: dict[Wanted, None] = {}

    def note(kind: str, url: str) -> tuple[Asset, str]:
        found[Wanted(kind, url)] = None
        raise assets.NotTaken("")

    of_plugin("", "", given, lambda _path: None, note)
    return list(found)


def of_plugin(
    marketplace_id: str, plugin: str, given: Any, find: Find, mirrored: Mirrored
) -> tuple[dict[str, Any], Page]:
    """What is shown of one plugin, and the page that it was read with (its files and warnings)."""
    page = Page(f"/api/marketplace/curated/{marketplace_id}/{plugin}", plugin, find, mirrored)
    if not isinstance(given, dict):
        page.warn("not an object")
        return {}, page
    shown = page.thing(given, "")
    items: dict[str, Any] = {}
    for kind, key in (("skill", "skills"), ("agent", "agents")):
        listed = given.get(key, {})
        if not isinstance(listed, dict):
            page.warn(f"{key}: not an object")
            continue
        for name, value in list(listed.items())[:MAX_METADATA_ITEMS]:
            if isinstance(value, dict):
                words = page.thing(value, f"{key}.{name[:64]}.", inner=True)
                if words:
                    items[f"{kind}:{name[:200]}"] = words
            else:
                page.warn(f"{key}.{name[:64]}: not an object")
    if items:
        shown["items"] = items
    if page.assets:
        shown["assets"] = {key: asset.described() for key, asset in page.assets.items()}
    return shown, page


@dataclass
class Page:
    url: str
    plugin: str
    find: Find
    mirrored: Mirrored
    warnings: list[str] = field(default_factory=list)
    assets: dict[str, Asset] = field(default_factory=dict)

    def warn(self, text: str) -> None:
        self.warnings.append(f"{METADATA}: {self.plugin}: {text}")

    def thing(self, given: dict[str, Any], where: str, *, inner: bool = False) -> dict[str, Any]:
        """A plugin's own words, or a skill's or an agent's."""
        lines = ("display_name", "tagline", "category") + (("invocation",) if inner else ())
        texts = ("description",) + (("when_to_use",) if inner else ())
        shown: dict[str, Any] = {key: self._line(given, key, where) for key in lines}
        shown |= {key: self._markdown(given.get(key), f"{where}{key}") for key in texts}
        shown["video_url"] = self._web_address(given.get("video_url"), f"{where}video_url")
        shown["cover_url"] = self._cover(given.get("cover_photo"), f"{where}cover_photo")
        shown["doc_links"] = self._doc_links(given.get("doc_links"), f"{where}doc_links")
        shown["use_cases"] = self._use_cases(given.get("use_cases"), f"{where}use_cases")
        shown["sample_interaction"] = self._sample(given.get("sample_interaction"), f"{where}sample_interaction")
        return {key: value for key, value in shown.items() if value}

    def _line(self, given: dict[str, Any], key: str, where: str) -> str:
        value = given.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            self.warn(f"{where}{key}: not text")
            return ""
        return "".join(c for c in _BREAKS.sub(" ", value).strip() if c.isprintable())[:MAX_TEXT_CHARACTERS]

    def _markdown(self, value: Any, where: str) -> str:
        if value is None:
            return ""
        if not isinstance(value, str):
            self.warn(f"{where}: not text")
            return ""
        encoded = value.strip().encode()
        if len(encoded) > MAX_MARKDOWN_BYTES:
            self.warn(f"{where}: cut at {MAX_MARKDOWN_BYTES} bytes")
        return encoded[:MAX_MARKDOWN_BYTES].decode("utf-8", "ignore")

    def _web_address(self, value: Any, where: str) -> str:
        if value is None:
            return ""
        if isinstance(value, str) and _is_web_address(value):
            return value
        self.warn(f"{where}: not an http or https URL")
        return ""

    def _cover(self, value: Any, where: str) -> str:
        if value is None:
            return ""
        if isinstance(value, str) and "://" in value:
            # Pages load images from us alone, so that nobody is told who looks at them.
            url = self._web_address(value, where)
            return self._copy(COVER, url, where, "asset") if url else ""
        return self._asset(value, where, assets.image, "asset")

    def _asset(self, path: Any, where: str, judge: Callable[[str, bytes], Asset], route: str) -> str:
        """The URL of a file of the repository, kept under its content."""
        if not isinstance(path, str) or not assets.is_inside(path):
            self.warn(f"{where}: not a path inside the repository")
            return ""
        body = self.find(path.removeprefix("./"))
        if body is None:
            self.warn(f"{where}: the repository has no such file, or it is too large")
            return ""
        try:
            asset = judge(path, body)
        except assets.NotTaken as exc:
            self.warn(f"{where}: {exc}")
            return ""
        self.assets[asset.key] = asset
        return f"{self.url}/{route}/{asset.key}"

    def _copy(self, kind: str, url: str, where: str, route: str) -> str:
        """The address of our copy of a file of another server; empty where there is none."""
        try:
            asset, stale = self.mirrored(kind, url)
        except assets.NotTaken as exc:
            self.warn(f"{where}: not mirrored: {exc}")
            return ""
        if stale:
            self.warn(f"{where}: the last good copy stays: {stale}")
        self.assets[asset.key] = asset
        return f"{self.url}/{route}/{asset.key}"

    def _doc_links(self, value: Any, where: str) -> list[dict[str, str]]:
        found = []
        for number, link in enumerate(self._listed(value, where, MAX_DOC_LINKS)):
            here = f"{where}[{number}]"
            if not isinstance(link, dict) or not self._line(link, "name", f"{here}."):
                self.warn(f"{here}: needs a name")
                continue
            path, url = link.get("path"), link.get("url")
            if (path is None) == (url is None):
                self.warn(f"{here}: needs either a path or a url")
                continue
            if path is not None:
                target = self._asset(path, here, assets.document, "document")
            else:
                target = self._web_address(url, here)
                last = urlsplit(target).path.rpartition("/")[2]
                if "." in last and last.rpartition(".")[2].lower() not in DOC_EXTENSIONS:
                    self.warn(f"{here}: a document ends in .pdf, .md, .markdown or .txt")
                    target = ""
                # What we may keep no copy of stays a link: it tells nobody anything until it is followed.
                target = target and (self._copy(DOCUMENT, target, here, "document") or target)
            if target:
                found.append({"name": self._line(link, "name", ""), "url": target})
        return found

    def _use_cases(self, value: Any, where: str) -> list[dict[str, str]]:
        found = []
        for number, case in enumerate(self._listed(value, where, MAX_USE_CASES)):
            words = {key: self._text(case, key) for key in ("title", "description", "prompt")}
            if all(words.values()):
                found.append(words)
            else:
                self.warn(f"{where}[{number}]: needs title, description and prompt")
        return found

    def _sample(self, value: Any, where: str) -> dict[str, str]:
        if value is None:
            return {}
        words = {key: self._text(value, key) for key in ("user", "assistant")}
        if all(words.values()):
            return words
        self.warn(f"{where}: needs user and assistant")
        return {}

    @staticmethod
    def _text(value: Any, key: str) -> str:
        words = value.get(key) if isinstance(value, dict) else None
        return words.strip().encode()[:MAX_MARKDOWN_BYTES].decode("utf-8", "ignore") if isinstance(words, str) else ""

    def _listed(self, value: Any, where: str, most: int) -> list[Any]:
        if value is None:
            return []
        if not isinstance(value, list):
            self.warn(f"{where}: not a list")
            return []
        if len(value) > most:
            self.warn(f"{where}: the first {most} are shown")
        return value[:most]


def _is_web_address(value: str) -> bool:
    if len(value) > 2_000 or any(c.isspace() or not c.isprintable() for c in value):
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None
