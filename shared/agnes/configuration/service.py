"""Read and change the settings that admins edit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from urllib.parse import urlsplit

from pydantic import JsonValue

from agnes.configuration import repository
from agnes.configuration.model import (
    BLANK,
    BY_SECTION,
    DANGER_SECTIONS,
    MASKED,
    MAX_VALUE,
    NOT_EDITABLE,
    SECRET_KEY_PATTERNS,
    SECRET_NAMES,
    SENT_TO,
    SETTINGS,
    ConfigUpdate,
    ConfigUpdated,
    Configure,
    Origin,
    ServerConfig,
    Setting,
    SettingState,
    StoredValue,
)
from agnes.kernel.errors import BadRequestError, InvalidError
from agnes.kernel.instance_file import ALIASES
from agnes.kernel.ports import Secret, Secrets
from agnes.kernel.principal import Principal
from agnes.kernel.state import Change, State, Tx

_NAME = re.compile(r"([a-z0-9_-]{1,63}\.)+[a-z][a-z0-9-]{0,62}", re.ASCII)
"""A host's name with a domain, in lower case."""


class Rules(Protocol):
    """What the settings say of values; the wiring hands it in."""

    @property
    def not_in_force(self) -> Mapping[str, str]:
        """Section → why what admins set there does not count."""
        ...

    @property
    def may_reach(self) -> frozenset[str]:
        """What else than https to public addresses the Claude API may be at: `http`, `private`."""
        ...

    def is_public(self, address: str) -> bool:
        """Whether an IP address is one of the open internet. Raises ValueError for what is none."""
        ...

    def value(self, variable: str) -> str:
        """In force, as a variable would hold it; of a secret that is no value of the environment or file, empty."""
        ...

    def source(self, variable: str) -> Origin:
        """Where it is from."""
        ...

    def faults(self, values: Mapping[str, str]) -> dict[str, str]:
        """Variable → what is wrong with it, if admins had set these values, by variable; they are those of one section."""
        ...


class ConfigRefused(InvalidError):
    """One or more values are wrong; none was saved."""

    code = "invalid_config"

    def __init__(self, reasons: Mapping[str, str]) -> None:
        named = "; ".join(f"{path}: {reason}" for path, reason in sorted(reasons.items()))
        errors = [
            {"field": SETTINGS[path].form_name if path in SETTINGS else path, "path": path, "reason": reason}
            for path, reason in sorted(reasons.items())
        ]
        super().__init__(named, hint="Nothing was saved. Correct the values that are named.", errors=errors)


def config(state: State, secrets: Secrets, rules: Rules) -> ServerConfig:
    """What is in force, and where each value is from. Raises UnavailableError."""
    with state.read("people") as db:
        stored = repository.stored(db)
    fields = [_state_of(setting, stored.get(setting.path), secrets, rules) for setting in SETTINGS.values()]
    tree: dict[str, JsonValue] = {}
    for field in fields:
        _nest(tree, field.path.split("."), field.value)
    return ServerConfig(
        sections=tree,
        editable_sections=tuple(BY_SECTION),
        danger_sections=DANGER_SECTIONS,
        secret_key_patterns=SECRET_KEY_PATTERNS,
        known_fields=fields,
        not_in_force=dict(rules.not_in_force),
    )


def _state_of(setting: Setting, stored: StoredValue | None, secrets: Secrets, rules: Rules) -> SettingState:
    source, value = rules.source(setting.variable), rules.value(setting.variable)
    if setting.kind == "secret":
        if not value and _is_kept(setting.path, secrets):
            source, value = ("admins" if stored else "secrets"), MASKED
        value = MASKED if value else BLANK
    return SettingState(
        path=setting.path,
        section=setting.section,
        label=setting.label,
        help=setting.hint,
        kind=setting.kind,
        choices=setting.choices,
        variable=setting.variable,
        value=value,
        source=source,
        updated_at=stored.updated_at if stored else None,
        updated_by=stored.updated_by if stored else "",
    )


def _is_kept(path: str, secrets: Secrets) -> bool:
    return secrets.get(SECRET_NAMES[path]) is not None


def _nest(tree: dict[str, JsonValue], parts: list[str], value: str) -> None:
    for part in parts[:-1]:
        below = tree.setdefault(part, {})
        if not isinstance(below, dict):
            raise TypeError(f"{part} is a value and a section")
        tree = below
    tree[parts[-1]] = value


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One value that changes. None takes back what admins set."""

    setting: Setting
    value: str | None


def update(
    state: State, who: Principal, given: ConfigUpdate, *, secrets: Secrets, rules: Rules, now: datetime
) -> ConfigUpdated:
    """Save values. All or none; each that changes is a line of the audit.

    Raises ConfigRefused for values, BadRequestError for a section that is not known or not confirmed, UnavailableError.
    """
    who.require_admin()
    unknown = [name for name in given.sections if name not in BY_SECTION]
    if unknown:
        raise BadRequestError(_not_editable(unknown[0]), code="unknown_section")
    unconfirmed = [name for name in given.sections if name in DANGER_SECTIONS and not given.confirm_danger]
    if unconfirmed:
        raise BadRequestError(
            f"changing {unconfirmed[0]} was not confirmed: {BY_SECTION[unconfirmed[0]].danger}",
            code="danger_not_confirmed",
            hint="Send confirm_danger: true.",
        )
    asked, reasons = _texts(given)
    with state.read("people") as db:
        stored = repository.stored(db)
    wanted = [
        _Wanted(SETTINGS[path], text) for path, text in asked.items() if _differs(path, text, stored, secrets, rules)
    ]
    reasons |= _refusals(wanted, stored, secrets, rules)
    if reasons:
        raise ConfigRefused(reasons)
    if wanted:
        _save(state, who, wanted, secrets=secrets, rules=rules, now=now)
    return ConfigUpdated(
        sections_updated=sorted({one.setting.section for one in wanted}),
        diff_count=len(wanted),
    )


def configure(
    state: State, who: Principal, given: Configure, *, secrets: Secrets, rules: Rules, now: datetime
) -> ConfigUpdated:
    """The first settings of an installation. Raises as `update` does."""
    if given.data_source in ("keboola", "bigquery"):
        raise BadRequestError(
            f"a connection to {given.data_source} is not made here",
            code="data_source_elsewhere",
            hint="Register it as a source of tables: POST /api/admin/tables/sources.",
        )
    sections: dict[str, dict[str, JsonValue]] = {}
    if given.instance_name:
        sections["instance"] = {"name": given.instance_name}
    if given.allowed_domain:
        sections["auth"] = {"email": {"allowed_domains": given.allowed_domain}}
    if not sections:
        return ConfigUpdated(sections_updated=[], diff_count=0)
    return update(
        state, who, ConfigUpdate(sections=sections, confirm_danger=True), secrets=secrets, rules=rules, now=now
    )


def _not_editable(name: str) -> str:
    reason = next((why for path, why in NOT_EDITABLE.items() if path.startswith(f"{name}.")), "")
    return f"{name} is not edited here: {reason}" if reason else f"there is no section {name[:60]!r}"


def _texts(given: ConfigUpdate) -> tuple[dict[str, str | None], dict[str, str]]:
    """Path → value as text, and path → what is wrong with it."""
    texts: dict[str, str | None] = {}
    reasons: dict[str, str] = {}
    for section, values in given.sections.items():
        for key, value in _leaves(values, f"{section}."):
            path = ALIASES.get(key, key)
            path = "auth.email.allowed_domains" if path == "auth.google.domain" else path
            if path not in SETTINGS:
                reasons[key] = NOT_EDITABLE.get(path, "is not a setting that can be edited")
                continue
            text = _text(value)
            if text is None and value is not None:
                reasons[path] = "must be a text, a number or a list of texts"
            elif text is not None and len(text) > MAX_VALUE:
                reasons[path] = f"must have {MAX_VALUE} characters at most"
            elif text is not None and "${" in text:
                reasons[path] = "may not refer to the environment: such a value belongs into instance.yaml"
            elif not (SETTINGS[path].kind == "secret" and text in (MASKED, BLANK)):
                texts[path] = text.strip() or None if text is not None else None
    return texts, reasons


def _leaves(tree: Mapping[str, JsonValue], above: str) -> list[tuple[str, JsonValue]]:
    found: list[tuple[str, JsonValue]] = []
    for name, value in tree.items():
        path = f"{above}{name}"
        if isinstance(value, dict):
            found += _leaves(value, f"{path}.")
        else:
            found.append((path, value))
    return found


def _text(value: JsonValue) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return ",".join(str(part) for part in value)
    return None


def _differs(path: str, text: str | None, stored: Mapping[str, StoredValue], secrets: Secrets, rules: Rules) -> bool:
    if SETTINGS[path].kind == "secret":
        return text is not None or path in stored or _is_kept(path, secrets)
    if text is None:
        return path in stored
    return text != rules.value(SETTINGS[path].variable)


def _refusals(
    wanted: list[_Wanted], stored: Mapping[str, StoredValue], secrets: Secrets, rules: Rules
) -> dict[str, str]:
    """Path → why it cannot be saved."""
    reasons: dict[str, str] = {}
    changed = {one.setting.path: one.value for one in wanted}
    for one in wanted:
        path, variable = one.setting.path, one.setting.variable
        if rules.source(variable) == "environment":
            reasons[path] = f"is set by the environment ({variable}), which wins"
        elif one.setting.kind == "secret" and rules.value(variable):
            reasons[path] = "is set in instance.yaml: change it there, and restart"
        elif (secret := SENT_TO.get(path)) and changed.get(secret) is None:
            if rules.value(SETTINGS[secret].variable):
                reasons[path] = (
                    f"{SETTINGS[secret].variable} is set by the environment or instance.yaml and would be sent there: "
                    "change both in the same place"
                )
            elif secret not in changed and _is_kept(secret, secrets):
                reasons[path] = f"needs the secret ({SETTINGS[secret].label}) again, which would be sent there"
        if path == "ai.base_url" and one.value and (reason := _unreachable(one.value, rules)):
            reasons[path] = reason
        if one.setting.kind == "choice" and one.value is not None and one.value not in one.setting.choices:
            reasons[path] = f"must be one of {', '.join(one.setting.choices)}"
    for section in {one.setting.section for one in wanted}:
        values = {
            SETTINGS[path].variable: kept.value
            for path, kept in stored.items()
            if path in SETTINGS and SETTINGS[path].section == section and SETTINGS[path].kind != "secret"
        }
        for one in wanted:
            if one.setting.section == section and one.setting.kind != "secret":
                if one.value is None:
                    values.pop(one.setting.variable, None)
                else:
                    values[one.setting.variable] = one.value
        by_variable = {setting.variable: setting.path for setting in BY_SECTION[section].settings}
        for variable, reason in rules.faults(values).items():
            reasons.setdefault(by_variable.get(variable, section), reason)
    return reasons


def _unreachable(url: str, rules: Rules) -> str:
    """Why the Claude API may not be asked at an address that an admin enters; empty if it may. What a name leads to is judged
    when it is connected to (`agnes.outside.safe_httpx`)."""
    may = rules.may_reach
    try:
        parts = urlsplit(url)
        _ = parts.port  # which is read only now
    except ValueError:
        return "must be a URL, such as https://gateway.example.com"
    if parts.scheme == "http" and "http" not in may:
        return "must begin with https://, or AGNES_OUTBOUND_ALLOW must hold http"
    host = parts.hostname or ""
    if parts.username is not None or parts.query or parts.fragment or not host:
        return "must be a URL without credentials and query, such as https://gateway.example.com"
    try:
        is_private = not rules.is_public(host)
    except ValueError:
        # What ends in a number is an address in a notation that only some programs read: 127.1, 0x7f.1, 2130706433.
        is_private = not _NAME.fullmatch(host) or host.endswith((".localhost", ".internal", ".local"))
    return (
        "must be a public address, or AGNES_OUTBOUND_ALLOW must hold private"
        if is_private and "private" not in may
        else ""
    )


def _save(
    state: State, who: Principal, wanted: list[_Wanted], *, secrets: Secrets, rules: Rules, now: datetime
) -> None:
    """Secrets first: a commit that fails leaves one that no setting uses yet, and is put back."""
    before = {
        one.setting.path: secrets.get(SECRET_NAMES[one.setting.path]) for one in wanted if one.setting.kind == "secret"
    }
    for one in wanted:
        if one.setting.kind == "secret":
            _keep(secrets, one.setting.path, Secret(one.value) if one.value else None)

    def change(tx: Tx) -> None:
        for one in wanted:
            setting = one.setting
            if setting.kind == "secret":
                was, becomes = MASKED if before[setting.path] else BLANK, MASKED if one.value else BLANK
            else:
                was, becomes = rules.value(setting.variable), one.value or ""
            if one.value is None:
                repository.remove(tx.db, setting.path)
            else:
                repository.put(
                    tx.db, setting.path, "" if setting.kind == "secret" else one.value, by=who.email, now=now
                )
            tx.record(Change("instance_config.update", f"config:{setting.path}", {"value": becomes}, {"value": was}))

    try:
        state.commit("people", change)
    except Exception:
        for path, secret in before.items():
            _keep(secrets, path, secret)
        raise


def _keep(secrets: Secrets, path: str, secret: Secret | None) -> None:
    if secret is None:
        secrets.remove(SECRET_NAMES[path])
    else:
        secrets.put(SECRET_NAMES[path], secret)
