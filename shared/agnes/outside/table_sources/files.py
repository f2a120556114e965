"""Tables that are files: at an HTTPS address, or below `tables/incoming/` in this installation's own store."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import urlsplit

from agnes.kernel.errors import InvalidError
from agnes.kernel.ports import ObjectStore
from agnes.kernel.table_sources import Fetched, Place, SourceFailed, SourceUnreachable
from agnes.kernel.web import WebFailed, WebReader, WebRefused, WebUnreachable
from agnes.outside.table_sources.places import INCOMING, STORE

FORMS = {".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json", ".parquet": "parquet"}
PACKED = (".gz", ".zst")
MAX_BYTES = 8_000_000_000
MAX_FILES = 10_000


def fetch(web: WebReader, store: ObjectStore, place: Place, path: str, folder: Path, *, seconds: float) -> Fetched:
    """The files that `path` names below the source's location; of the store it may hold `*` and `?`.

    Raises SourceFailed, SourceUnreachable.
    """
    location = place.options["location"]
    form = place.options.get("format") or form_of(path)
    if location.startswith(STORE):
        return Fetched(_of_store(store, INCOMING + location.removeprefix(STORE).strip("/"), path, folder), form)
    return Fetched((_of_web(web, f"{location.rstrip('/')}/{path.lstrip('/')}", folder, seconds),), form)


def form_of(path: str) -> str:
    """By the name's ending. Raises SourceFailed."""
    name = path.lower()
    for ending in PACKED:
        name = name.removesuffix(ending)
    found = FORMS.get(Path(name).suffix)
    if found is None:
        raise SourceFailed(
            f"it cannot be told from its name what {path[:200]} holds",
            hint=f"Give the source the option `format`: {', '.join(sorted(set(FORMS.values())))}.",
        )
    return found


def _of_store(store: ObjectStore, prefix: str, pattern: str, folder: Path) -> tuple[Path, ...]:
    prefix = prefix.rstrip("/") + "/"
    try:
        found = [each for each in store.list(prefix) if fnmatchcase(each.key.removeprefix(prefix), pattern)]
    except InvalidError as exc:
        raise SourceFailed(f"{prefix[:200]} is no place in the store") from exc
    if not found:
        raise SourceFailed(f"no file of the store below {prefix} is called {pattern[:200]}")
    if len(found) > MAX_FILES or sum(each.size_bytes for each in found) > MAX_BYTES:
        raise SourceFailed(f"{len(found)} files are more than {MAX_FILES:,}, or than {MAX_BYTES // 10**9} GB")
    files = []
    for number, each in enumerate(found):
        path = folder / f"{number:05d}{_ending(each.key)}"
        if not store.download(each.key, path):
            raise SourceUnreachable(f"{each.key} was removed meanwhile")
        files.append(path)
    return tuple(files)


def _of_web(web: WebReader, url: str, folder: Path, seconds: float) -> Path:
    path = folder / f"00000{_ending(urlsplit(url).path)}"
    try:
        with path.open("wb") as file:
            web.fetch(url, seconds=seconds, max_bytes=MAX_BYTES, into=file)
    except WebUnreachable as exc:
        raise SourceUnreachable(f"{url[:300]}: {exc.message}", hint=exc.hint) from exc
    except (WebFailed, WebRefused) as exc:
        raise SourceFailed(f"{url[:300]}: {exc.message}", hint=exc.hint) from exc
    return path


def _ending(name: str) -> str:
    """The name's own endings: readers tell packed files by them."""
    return "".join(Path(name).suffixes[-2:]) if name.lower().endswith(PACKED) else Path(name).suffix
