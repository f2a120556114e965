"""Fields of plugin.json that only describe a plugin. In a wrong form they cost the newest client nothing: it leaves them out.

Read in 2.1.332, and held by `tests/journeys/test_manifest_forms.py`. 2.1.197 refuses the plugin for one of them, and both refuse a
catalog's entry for one; so a served plugin.json goes without.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit


def _text(value: Any) -> str | None:
    return None if isinstance(value, str) else "must be text"


def _texts(value: Any) -> str | None:
    return None if isinstance(value, list) and all(isinstance(one, str) for one in value) else "must be a list of texts"


def _author(value: Any) -> str | None:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str) or not value["name"]:
        return "must be an object with a name"
    wrong = [key for key in ("email", "url") if key in value and not isinstance(value[key], str)]
    return f"{wrong[0]}: must be text" if wrong else None


def _web_address(value: Any) -> str | None:
    return None if isinstance(value, str) and is_web_address(value) else "must be an http or https URL"


IGNORED_IF_WRONG: Mapping[str, Callable[[Any], str | None]] = {
    "$schema": _text,
    "displayName": _text,
    "description": _text,
    "author": _author,
    "homepage": _web_address,
    "repository": _text,
    "license": _text,
    "keywords": _texts,
}
"""Field → what is wrong with a value, None if nothing is. Every other field of plugin.json costs the plugin."""


def wrong(manifest: Mapping[str, Any]) -> dict[str, str]:
    """The fields of a plugin.json that the client leaves out, each with the reason."""
    found = {key: check(manifest[key]) for key, check in IGNORED_IF_WRONG.items() if manifest.get(key) is not None}
    return {key: said for key, said in found.items() if said}


def is_web_address(value: str) -> bool:
    """Whether pages may link to it. The client takes any URL, `javascript:` too."""
    if any(c.isspace() or not c.isprintable() for c in value):
        return False
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
