"""Templates: one page object in, HTML out. Templates neither query nor decide permission."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import agnes
from agnes import wiring
from agnes.edge import formats, showing
from agnes.edge.branding import Branding, branding
from agnes.edge.refused import NOT_SENT, Refused
from agnes.kernel.principal import Principal

if TYPE_CHECKING:
    import jinja2

TEMPLATES = Path(agnes.__file__).parents[2] / "templates"
"""`templates/` beside `shared/` in the repository, `/opt/templates` in a Lambda layer."""


@dataclass(frozen=True)
class ErrorPage:
    template: ClassVar[str] = "_layout/error.html"
    status: int
    message: str
    hint: str
    request_id: str

    @property
    def title(self) -> str:
        known = {403: "No access", 404: "Not found", 429: "Too fast", 503: "Back in a moment"}
        return known.get(self.status, "Something went wrong" if self.status >= 500 else "That did not work")


@dataclass(frozen=True)
class Shell:
    """What the layout around every page shows."""

    who: Principal | None
    path: str
    base: str
    site: Branding
    notice: str = ""
    """What a form did, shown once."""
    left_out: str = ""
    """State files that cannot be read and that pages do without; the marketplace's say so themselves."""


class Held(Protocol):
    """Where `once` keeps what it made: something of the page's own choice, that ends with what it was made from."""

    def get(self, key: tuple[Hashable, ...]) -> Any | None: ...

    def put(self, key: tuple[Hashable, ...], value: Any) -> None: ...


def once(held: Held, key: tuple[Hashable, ...], macro: Callable[..., Any], *args: Any) -> Any:
    """What `macro` renders of `args`, kept under `key`; pages show the same card a hundred times a second."""
    found = held.get(key)
    if found is None:
        found = macro(*args)
        held.put(key, found)
    return found


_FIELD = re.compile(r"""(\svalue="\{\{|<textarea\b[^<]*>\{\{)(.*?)\}\}""")


def fields_are_exact(source: str) -> str:
    """A template whose form fields have their values as they are: they come back with the form, and a filter that was chosen must
    still be what was chosen."""
    return _FIELD.sub(r"\1 (\2) | exact }}", source)


@cache
def environment() -> jinja2.Environment:
    """Every value of every page is shown by `showing.finalized`, but those of fields."""
    import jinja2  # pages alone have the web layer
    import jinja2.ext

    class ExactFields(jinja2.ext.Extension):
        def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:  # noqa: ARG002 (jinja's)
            return fields_are_exact(source)

    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        finalize=showing.finalized,
        extensions=[ExactFields],
    )
    env.globals["static"] = static_url
    env.globals["once"] = once
    env.filters |= formats.FILTERS
    return env


def static_url(path: str) -> str:
    """The URL of a file below `templates/static/`; its content's hash makes it cacheable for ever."""
    return f"{wiring.settings().base_path}/static/{path}?v={_digest(path)}"


@cache
def _digest(path: str) -> str:
    return hashlib.sha256((TEMPLATES / "static" / path).read_bytes()).hexdigest()[:12]


@cache
def _template(name: str) -> jinja2.Template:
    """Compiled once; the environment's own cache asks for the file's path each time."""
    return environment().get_template(name)


def compile_ahead(name: str) -> None:
    """Compile a template and all that it extends, includes and imports, which else happens when it is first rendered."""
    from jinja2 import meta

    env, met = environment(), set[str]()
    waiting: list[str | None] = [name]
    while waiting:
        found = waiting.pop()
        if found is None or found in met:
            continue
        met.add(found)
        env.get_template(found)
        source = (TEMPLATES / found).read_text(encoding="utf-8")
        waiting += meta.find_referenced_templates(env.parse(source))
    _template(name)


def render(page: Any, *, who: Principal | None, path: str, notice: str = "", form: Refused = NOT_SENT) -> str:
    left_out = ", ".join(sorted(wiring.state().spared)) if who and path.startswith(("/admin", "/me")) else ""
    shell = Shell(
        who=who, path=path, base=wiring.settings().base_path, site=branding(), notice=notice, left_out=left_out
    )
    return _template(page.template).render(page=page, shell=shell, form=form)
