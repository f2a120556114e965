"""The page of settings that admins edit, a form for each section."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, SecretStr, create_model

from agnes.accounts import directory
from agnes.configuration import service
from agnes.configuration.model import (
    BLANK,
    BY_SECTION,
    MAX_VALUE,
    NOT_EDITABLE,
    SECTIONS,
    SETTINGS,
    ConfigUpdate,
    Origin,
    Section,
    SettingState,
)
from agnes.configuration.service import Rules
from agnes.kernel.ports import Secrets
from agnes.kernel.principal import Principal
from agnes.kernel.state import State

PATH = "/admin/server-config"
CHOICES = {
    "email.use_tls=starttls": "STARTTLS",
    "email.use_tls=tls": "TLS from the first byte on",
    "email.use_tls=none": "None",
    "guardrails.review=model": "A model, then an admin",
    "guardrails.review=admin": "An admin",
    "guardrails.review=off": "Nobody",
}
SOURCES: dict[Origin, str] = {
    "environment": "Set by the environment",
    "admins": "Set here",
    "file": "From instance.yaml",
    "secrets": "Stored by an operator",
    "default": "Default",
}


class SectionForm(BaseModel):
    model_config = ConfigDict(extra="forbid")

    action: Literal["instance", "theme", "auth", "email", "ai", "guardrails"]
    """The section."""
    confirm_danger: bool = False
    remove_secrets: list[str] = Field(default_factory=list, max_length=10)
    """Paths of secrets that are to be removed."""


_FIELDS: dict[str, Any] = {
    setting.form_name: (SecretStr | None if setting.kind == "secret" else str | None, Field(None, max_length=MAX_VALUE))
    for setting in SETTINGS.values()
}
ConfigForm = create_model("ConfigForm", __base__=SectionForm, **_FIELDS)
"""A section's fields by their form names. What is not sent, or an empty secret, stays as it is."""


@dataclass(frozen=True)
class ConfigPage:
    template: ClassVar[str] = "admin/config.html"
    title: ClassVar[str] = "Server config"
    sections: ClassVar[tuple[Section, ...]] = SECTIONS
    sources: ClassVar[dict[Origin, str]] = SOURCES
    not_editable: ClassVar[dict[str, str]] = NOT_EDITABLE
    blank: ClassVar[str] = BLANK

    fields: dict[str, list[SettingState]]
    """By section."""
    not_in_force: dict[str, str]
    people: int
    """Active accounts."""

    def options(self, field: SettingState) -> list[tuple[str, str]]:
        """(value, label) of a choice."""
        return [(choice, CHOICES.get(f"{field.path}={choice}", choice)) for choice in field.choices]


def config_page(state: State, secrets: Secrets, rules: Rules) -> ConfigPage:
    found = service.config(state, secrets, rules)
    with state.read("people") as db:
        people = directory.count_active(db)
    fields = {
        section.name: [field for field in found.known_fields if field.section == section.name] for section in SECTIONS
    }
    return ConfigPage(fields, found.not_in_force, people)


def save(state: State, who: Principal, form: SectionForm, *, secrets: Secrets, rules: Rules, now: datetime) -> str:
    """Save the section of a form; what the next page says. Raises as `agnes.configuration.service.update` does."""
    section = BY_SECTION[form.action]
    tree: dict[str, JsonValue] = {}
    for setting in section.settings:
        given = getattr(form, setting.form_name)
        value: JsonValue
        if isinstance(given, SecretStr):
            value = given.get_secret_value() or None
            if value is None and setting.path not in form.remove_secrets:
                continue
        elif setting.path in form.remove_secrets:
            value = None
        elif given is None:
            continue
        else:
            value = given
        tree[setting.path.partition(".")[2]] = value
    if not tree:
        return "Nothing was changed."
    done = service.update(
        state,
        who,
        ConfigUpdate(sections={section.name: tree}, confirm_danger=form.confirm_danger),
        secrets=secrets,
        rules=rules,
        now=now,
    )
    if not done.diff_count:
        return "Nothing was changed."
    return f"{section.title}: {done.diff_count} setting{'' if done.diff_count == 1 else 's'} saved, in force everywhere within seconds."
