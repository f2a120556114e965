"""`instance.yaml`: settings of an installation in one file, for whoever would rather keep a file than variables.

A value of the environment wins over one of the file. The names are those of the product (`instance.url`, `auth.google.domain`); the flat
ones of older files are aliases. `${NAME}` in a text, at any depth, is the environment's value. docs/configuration.md lists every key,
and the keys of older files that have no effect, with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

KEYS = {
    "instance.name": "AGNES_INSTANCE_NAME",
    "instance.url": "SERVER_URL",
    "instance.brand": "AGNES_INSTANCE_BRAND",
    "instance.subtitle": "AGNES_INSTANCE_SUBTITLE",
    "instance.logo_svg": "AGNES_INSTANCE_LOGO_SVG",
    "instance.admin_email": "AGNES_INSTANCE_ADMIN_EMAIL",
    "instance.home_route": "AGNES_HOME_ROUTE",
    "theme.accent": "AGNES_THEME_ACCENT",
    "theme.accent_dark": "AGNES_THEME_ACCENT_DARK",
    "auth.email.allowed_domains": "ALLOWED_DOMAINS",
    "auth.google.domain": "ALLOWED_DOMAINS",
    "auth.google.client_id": "GOOGLE_CLIENT_ID",
    "auth.google.client_secret": "GOOGLE_CLIENT_SECRET",
    "auth.google.admin_sdk_subject": "GOOGLE_ADMIN_SDK_SUBJECT",
    "auth.google.group_prefix": "AGNES_GOOGLE_GROUP_PREFIX",
    "auth.google.admin_group": "AGNES_GROUP_ADMIN_EMAIL",
    "auth.google.everyone_group": "AGNES_GROUP_EVERYONE_EMAIL",
    "auth.oidc.issuer": "OIDC_ISSUER",
    "auth.oidc.client_id": "OIDC_CLIENT_ID",
    "auth.oidc.client_secret": "OIDC_CLIENT_SECRET",
    "auth.oidc.name": "OIDC_NAME",
    "auth.oidc.scopes": "OIDC_SCOPES",
    "auth.oidc.groups_claim": "OIDC_GROUPS_CLAIM",
    "auth.oidc.group_prefix": "OIDC_GROUP_PREFIX",
    "auth.oidc.admin_group": "OIDC_ADMIN_GROUP",
    "server.host": "AGNES_HOST",
    "server.port": "PORT",
    "email.smtp_host": "SMTP_HOST",
    "email.smtp_port": "SMTP_PORT",
    "email.smtp_user": "SMTP_USER",
    "email.smtp_password": "SMTP_PASSWORD",
    "email.from_address": "SMTP_FROM",
    "email.use_tls": "SMTP_USE_TLS",
    "ai.api_key": "ANTHROPIC_API_KEY",
    "ai.base_url": "ANTHROPIC_BASE_URL",
    "ai.model": "USAGE_ASK_MODEL",
    "guardrails.review": "FLEA_REVIEW",
    "guardrails.model": "FLEA_REVIEW_MODEL",
}
"""Dotted path → the variable that it stands for."""
ALIASES = {
    "auth.allowed_domain": "auth.email.allowed_domains",
    "server.hostname": "instance.url",
    "email.smtp_from": "email.from_address",
}
WITHOUT_EFFECT = {
    "config_version": "the only version is 1",
    "instance.copyright": "no page shows it",
    "instance.workspace_dir": "a workspace is any folder in which `agnes init` was run",
    "instance.overview": "HTML from a file is not put into pages; the help pages are Markdown",
    "instance.sync_interval": "schedules say when they run (`agnes admin run`)",
    "instance.home": "no page shows it",
    "instance.gws": "there are no shortcuts to Google Workspace",
    "instance.atlassian": "there are no shortcuts to Atlassian",
    "auth.webapp_secret_key": "signing keys are made at the first start and kept with the secrets",
    "auth.disabled_providers": "a way to sign in is on when it is set up",
    "username": "people are their e-mail addresses",
    "admins": "members of the group Admin are (SEED_ADMIN_EMAIL makes the first)",
    "deployment": "SAM's templates deploy Agnes",
    "server.ssl": "the API gateway or your proxy ends TLS",
    "data_source": "sources of tables are registered with Agnes itself",
    "datasets": "tables are registered with Agnes itself",
    "catalog": "tables are registered with Agnes itself",
    "profiler": "tables are registered with Agnes itself",
    "remote_query": "tables are registered with Agnes itself",
    "materialize": "there is no lock with a time to live",
    "api": "there are no workers to tune",
    "openmetadata": "there is no connection to it",
    "corporate_memory": "knowledge is administered in the browser",
    "desktop": "there is no desktop app",
    "telegram": "there is no Telegram bot",
    "jira": "there is no connection to it",
    "ai.provider": "Anthropic's API is the only one",
    "ai.structured_output": "answers always have a schema",
}
"""Keys of older files, whole sections among them → why nothing comes of them. They are named in the log and refused nowhere."""
REQUIRED = (("instance.name",), ("instance.url",), ("auth.google.domain", "auth.email.allowed_domains"))
FILE_NAME = "instance.yaml"
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_LARGEST_BYTES = 1_000_000


@dataclass(slots=True)
class InstanceFile:
    """What a file says: values by variable, the path that each is from, what is wrong, and what has no effect."""

    path: Path
    values: dict[str, str] = field(default_factory=dict)
    source: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def location(environ: Mapping[str, str], folders: Iterable[Path]) -> Path | None:
    """`$CONFIG_DIR/instance.yaml`, or the first of the folders' that there is."""
    if folder := environ.get("CONFIG_DIR", ""):
        return Path(folder) / FILE_NAME
    return next((path for path in (folder / FILE_NAME for folder in folders) if path.exists()), None)


def read(path: Path, environ: Mapping[str, str]) -> InstanceFile:
    """Never raises for what is in the file or missing: `faults` says it. No fault names a value, which may be a secret."""
    found = InstanceFile(path)
    try:
        with path.open("rb") as file:
            body = file.read(_LARGEST_BYTES + 1)
    except OSError as exc:
        found.faults.append(f"{path}: cannot be read ({exc.strerror})")
        return found
    if len(body) > _LARGEST_BYTES:
        found.faults.append(f"{path}: is larger than {_LARGEST_BYTES} bytes")
        return found
    tree = _parsed(found, body)
    if tree is not None:
        _take(found, tree, environ)
        _require(found, environ)
    return found


def _parsed(found: InstanceFile, body: bytes) -> dict[object, object] | None:
    import yaml  # where there is a file

    try:
        tree = yaml.safe_load(body)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as exc:
        mark = getattr(exc, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        found.faults.append(f"{found.path}: is not YAML{where}")
        return None
    if not isinstance(tree, dict) or not tree:
        found.faults.append(f"{found.path}: is empty" if not tree else f"{found.path}: must be a mapping of sections")
        return None
    return tree


def _take(found: InstanceFile, tree: dict[object, object], environ: Mapping[str, str]) -> None:
    if tree.get("config_version") != 1:
        found.warnings.append("config_version should be 1")
    for key, value in _leaves(tree):
        path = ALIASES.get(key, key)
        if reason := _without_effect(key):
            if key != "config_version":
                found.warnings.append(f"{key} has no effect: {reason}")
            continue
        if path not in KEYS:
            near = get_close_matches(key, [*KEYS, *ALIASES], n=1)
            found.faults.append(f"{key}: is not a setting{f'; did you mean {near[0]}?' if near else ''}")
            continue
        text = _text(found, key, value, environ)
        if text is None:
            continue
        if key == "server.hostname" and text and "://" not in text:
            text = f"https://{text}"
        variable = KEYS[path]
        before = found.values.get(variable)
        if before is not None and before != text:
            if variable == "ALLOWED_DOMAINS":
                text = ",".join(sorted({*before.split(","), *text.split(",")}))
            else:
                found.faults.append(f"{key} and {found.source[variable]}: say the same setting differently")
        found.values[variable], found.source[variable] = text, key


def _leaves(tree: Mapping[object, object], above: str = "") -> Iterator[tuple[str, object]]:
    for name, value in tree.items():
        path = f"{above}{name}"
        if isinstance(value, dict) and value and not _without_effect(path) and path not in KEYS:
            yield from _leaves(value, f"{path}.")
        else:
            yield path, value


def _without_effect(key: str) -> str | None:
    section = key.split(".", maxsplit=1)[0]
    if section.startswith("username"):
        section = "username"
    return WITHOUT_EFFECT.get(key) or WITHOUT_EFFECT.get(section)


def _text(found: InstanceFile, key: str, value: object, environ: Mapping[str, str]) -> str | None:
    """A value as a variable would hold it; None where it is empty, or wrong."""
    if value is None or value == {}:
        return None
    if isinstance(value, list):
        parts = [_text(found, key, part, environ) for part in value if not isinstance(part, list | dict)]
        if len(parts) < len(value):
            found.faults.append(f"{key}: must be a list of texts")
            return None
        return ",".join(part for part in parts if part)
    if isinstance(value, dict):
        found.faults.append(f"{key}: must be a value and not a section")
        return None
    if isinstance(value, bool):
        return "true" if value else "false"

    def named(match: re.Match[str]) -> str:
        if match[1] not in environ:
            found.warnings.append(f"{key}: the environment has no {match[1]}, so it is empty")
        return environ.get(match[1], "")

    return _REFERENCE.sub(named, str(value)).strip()


def _require(found: InstanceFile, environ: Mapping[str, str]) -> None:
    for choices in REQUIRED:
        if not any(environ.get(KEYS[key]) or found.values.get(KEYS[key]) for key in choices):
            found.faults.append(f"{' or '.join(choices)}: is required")
