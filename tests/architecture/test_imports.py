"""Who may import whom (spec: `functions -> edge -> wiring -> state | outside | domains -> kernel`)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "shared" / "agnes"

LADDER = (
    ("claude_code",),
    ("sql",),
    ("ops",),
    ("hosting",),
    ("configuration",),
    ("accounts",),
    ("news",),
    ("access",),
    ("directory",),
    ("trees",),
    ("marketplace", "tables"),
    ("checks",),
    ("flea",),
    ("stack",),
    ("feed",),
    ("telemetry",),
    ("browse",),
    ("knowledge",),
    ("audit",),
    ("health",),
    ("admin", "profile"),
)
"""Domains import domains of lower rungs only; siblings never."""

TELEMETRY = (
    ("model", "keys", "claim", "sealed"),
    ("transcripts",),
    ("lake",),
    ("extraction",),
    ("service",),
    ("usage", "drill_down", "collecting", "ask"),
)
"""The largest domain has a ladder of its own."""

LAYERS = frozenset({"kernel", "state", "outside", "edge", "wiring", "settings"})

OWNERS = {
    "chalice": {"functions", "edge"},
    "boto3": {"outside"},
    "botocore": {"outside"},
    "dulwich": {"outside"},
    "asyncssh": {"outside"},
    "adbc_driver_manager": {"outside"},
    "anthropic": {"outside"},
    "jinja2": {"edge"},
    "duckdb": {"state", "sql", "outside", "tables", "telemetry", "audit"},
    "pyarrow": {"telemetry", "sql"},
    "argon2": {"accounts"},
    "pyotp": {"accounts"},
    "segno": {"accounts"},
    "re2": {"outside"},
    "bandit": {"outside"},
    "detect_secrets": {"outside"},
    "authlib": {"directory"},
    "joserfc": {"directory"},
    "scim2_models": {"directory"},
}
"""A library's rooms. Importing it for annotations only (`if TYPE_CHECKING`) is free."""


@dataclass(frozen=True)
class Import:
    file: Path
    line: int
    room: str
    module: str
    typing_only: bool

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line}: {self.room} imports {self.module}"


def domains() -> set[str]:
    return {folder.name for folder in PACKAGE.iterdir() if folder.is_dir() and folder.name.isidentifier()} - {
        *LAYERS,
        "__pycache__",
    }


def room_of(file: Path) -> str:
    relative = file.relative_to(ROOT)
    if relative.parts[:2] == ("shared", "agnes"):
        return relative.parts[2].removesuffix(".py")
    return relative.parts[0]


def imports(*tops: str) -> Iterator[Import]:
    for top in tops:
        for file in sorted((ROOT / top).rglob("*.py")):
            yield from _imports_of(file)


def _imports_of(file: Path) -> Iterator[Import]:
    tree = ast.parse(file.read_text(), file)
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: imports are absolute"
            # `from agnes.accounts import service` names a module as much as `import agnes.accounts.service`.
            modules = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for module in modules:
            yield Import(file, node.lineno, room_of(file), module, id(node) in typing_only)


def allowed_rooms(room: str, known_domains: set[str]) -> set[str]:
    """Rooms of `agnes` that a room may import."""
    if room == "kernel":
        return {"kernel"}
    if room == "settings":
        return {"kernel", "settings"}
    if room in ("state", "outside"):
        return {"kernel", room}
    if room == "wiring":
        return {"kernel", "settings", "state", "outside", "wiring", *known_domains}
    if room == "edge":
        return allowed_rooms("wiring", known_domains) | {"edge"}
    if room == "functions":
        return allowed_rooms("edge", known_domains)
    if room == "cli":
        return set()
    lower: set[str] = set()
    for rung in LADDER:
        if room in rung:
            return {"kernel", room, *lower}
        lower |= set(rung)
    raise AssertionError(f"the domain {room} has no rung: add it to LADDER here, where it belongs")


def _agnes_room(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "agnes" and len(parts) > 1 else None


def test_arrows_point_right_only() -> None:
    known = domains()
    wrong = []
    for found in imports("shared/agnes", "functions", "cli"):
        if found.room in ("__init__", "__pycache__"):
            continue
        if found.module.split(".")[0] in ("functions", "agnes_local", "infra", "tests", "layers"):
            wrong.append(f"{found}, which nothing may import")
        room = _agnes_room(found.module)
        allowed = allowed_rooms(found.room, known)
        if room is not None and room not in allowed:
            wrong.append(f"{found}; it may import {', '.join(sorted(allowed)) or 'nothing of this project'}")
    assert not wrong, "\n".join(wrong)


def test_rooms_of_telemetry_import_lower_ones_only() -> None:
    rung = {room: height for height, rooms in enumerate(TELEMETRY) for room in rooms}
    wrong = []
    for found in imports("shared/agnes/telemetry"):
        room = found.file.relative_to(PACKAGE / "telemetry").parts[0].removesuffix(".py")
        other = found.module.split(".")[2:3] if found.module.startswith("agnes.telemetry.") else []
        if room != "__init__" and other and other[0] != room and rung[other[0]] >= max(rung[room], 1):
            wrong.append(f"{found}, which stands no lower")
    assert not wrong, "\n".join(wrong)


def test_domains_show_each_other_no_insides() -> None:
    """`repository` and `pages` are a domain's own; others come through `service`, `model` or its words."""
    known = domains()
    wrong = []
    for found in imports("shared/agnes"):
        parts = found.module.split(".")
        if found.room in known and len(parts) > 2 and parts[0] == "agnes" and parts[1] in known - {found.room}:
            wrong += [f"{found}; ask {parts[1]}.service"] * (parts[2].endswith(("repository", "page", "pages")))
    assert not wrong, "\n".join(wrong)


def test_a_library_has_one_owner() -> None:
    wrong = [
        f"{found}; {library} belongs to {', '.join(sorted(owners))}"
        for found in imports("shared/agnes", "functions")
        for library, owners in OWNERS.items()
        if found.module.split(".")[0] == library and found.room not in owners and not found.typing_only
    ]
    assert not wrong, "\n".join(wrong)


def test_only_settings_reads_the_environment() -> None:
    wrong = []
    for top in ("shared/agnes", "functions"):
        for file in sorted((ROOT / top).rglob("*.py")):
            if file == PACKAGE / "settings.py":
                continue
            wrong += [
                f"{file.relative_to(ROOT)}:{node.lineno}: ask agnes.settings instead"
                for node in ast.walk(ast.parse(file.read_text()))
                if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "environb", "putenv")
            ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("room", "module"),
    [
        ("kernel", "agnes.state"),
        ("state", "agnes.outside.git"),
        ("accounts", "agnes.marketplace.service"),
        ("marketplace", "agnes.flea.service"),
        ("telemetry", "agnes.wiring"),
        ("edge", "agnes.nonsense"),
    ],
)
def test_the_rules_refuse(room: str, module: str) -> None:
    assert _agnes_room(module) not in allowed_rooms(room, domains() | {"flea"})
