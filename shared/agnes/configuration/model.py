"""Which settings can be edited, in sections, and what is known of each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from agnes.kernel.instance_file import KEYS

Kind = Literal["text", "lines", "email", "colour", "number", "choice", "list", "secret"]
Origin = Literal["environment", "admins", "file", "secrets", "default"]
"""Where the value in force is from, the strongest first. `secrets`: an operator put it where secrets are kept."""
MASKED, BLANK = "***", "<empty>"
"""What stands for a secret that is set, and for one that is not."""
SECRET_KEY_PATTERNS = ("secret", "token", "password", "api_key")
MAX_VALUE = 50_000


@dataclass(frozen=True, slots=True)
class Setting:
    path: str
    label: str
    hint: str = ""
    kind: Kind = "text"
    choices: tuple[str, ...] = ()

    @property
    def variable(self) -> str:
        return KEYS[self.path]

    @property
    def section(self) -> str:
        return self.path.partition(".")[0]

    @property
    def form_name(self) -> str:
        """Name of its field in the page's form; a dot would separate the parts of an error's place."""
        return self.path.replace(".", "__")


@dataclass(frozen=True, slots=True)
class Section:
    name: str
    title: str
    lead: str
    noun: str
    """What its button saves."""
    settings: tuple[Setting, ...]
    danger: str = ""
    """What a wrong value costs, for a section that asks before it is saved."""


SECTIONS = (
    Section(
        "instance",
        "Name and contact",
        "What pages and mails call this installation, and the page that people see first.",
        "name and contact",
        (
            Setting("instance.name", "Organisation", "The sign-in page and the footer show it."),
            Setting("instance.brand", "Brand", "What pages and mails call Agnes; 40 characters at most."),
            Setting("instance.subtitle", "Subtitle", "A line below the title of the sign-in page."),
            Setting("instance.admin_email", "Contact", "Whom people may write to.", "email"),
            Setting("instance.home_route", "First page", "The page after signing in, such as /me/connect."),
            Setting(
                "instance.logo_svg", "Logo", "SVG text. It is shown as an image, so no script in it runs.", "lines"
            ),
        ),
    ),
    Section(
        "theme",
        "Colours",
        "The colour of links and buttons. Text in it must be readable: a contrast of 4.5:1.",
        "colours",
        (
            Setting("theme.accent", "On light screens", "Such as #0a6b4f; readable on white.", "colour"),
            Setting("theme.accent_dark", "On dark screens", "Such as #7de0c0; readable on #161c2a.", "colour"),
        ),
    ),
    Section(
        "auth",
        "Signing in",
        "Single sign-on with Google Workspace or an OpenID Connect provider. docs/identity.md has the steps.",
        "sign-in settings",
        (
            Setting(
                "auth.email.allowed_domains",
                "Domains",
                "Whose addresses may sign in with single sign-on, with a comma between. Needed with Google.",
                "list",
            ),
            Setting("auth.google.client_id", "Google: client ID"),
            Setting("auth.google.client_secret", "Google: client secret", kind="secret"),
            Setting(
                "auth.google.admin_sdk_subject",
                "Google: administrator for groups",
                "The Workspace administrator as whom groups are read.",
                "email",
            ),
            Setting("auth.google.group_prefix", "Google: prefix of groups", "Only groups that begin so count."),
            Setting("auth.google.admin_group", "Google: group of admins", "Its members are in Admin.", "email"),
            Setting("auth.google.everyone_group", "Google: group for Everyone", kind="email"),
            Setting("auth.oidc.issuer", "OpenID Connect: issuer", "Such as https://login.example.com."),
            Setting("auth.oidc.client_id", "OpenID Connect: client ID"),
            Setting("auth.oidc.client_secret", "OpenID Connect: client secret", kind="secret"),
            Setting("auth.oidc.name", "OpenID Connect: name", "What the button calls the provider."),
            Setting("auth.oidc.scopes", "OpenID Connect: scopes"),
            Setting("auth.oidc.groups_claim", "OpenID Connect: claim of groups"),
            Setting("auth.oidc.group_prefix", "OpenID Connect: prefix of groups", "Only groups that begin so count."),
            Setting("auth.oidc.admin_group", "OpenID Connect: group of admins", "Its members are in Admin."),
        ),
        danger="A wrong value keeps people from signing in with single sign-on, or lets in people who should not be.",
    ),
    Section(
        "email",
        "Mail",
        "The server that takes invitations, links and digests. Without one, admins hand links over themselves.",
        "mail settings",
        (
            Setting("email.smtp_host", "Server"),
            Setting("email.smtp_port", "Port", "587 is usual.", "number"),
            Setting("email.use_tls", "Encryption", kind="choice", choices=("starttls", "tls", "none")),
            Setting("email.smtp_user", "Account", "Empty where the server asks for none."),
            Setting("email.smtp_password", "Password", kind="secret"),
            Setting("email.from_address", "Sender", "Such as Agnes <agnes@example.com>."),
        ),
    ),
    Section(
        "ai",
        "Claude API",
        "Answers questions about usage, reviews what people share, and reads sessions for knowledge.",
        "Claude API settings",
        (
            Setting("ai.api_key", "API key", kind="secret"),
            Setting("ai.base_url", "Address", "Of a gateway of your own; empty for Anthropic's."),
            Setting("ai.model", "Model for questions about usage"),
        ),
    ),
    Section(
        "guardrails",
        "Review of what people share",
        "Who looks at a submission to the Flea market after the rules have passed it.",
        "review settings",
        (
            Setting("guardrails.review", "Reviewer", kind="choice", choices=("model", "admin", "off")),
            Setting("guardrails.model", "Model", "haiku, sonnet, opus, or a model's full name."),
        ),
        danger="`off` publishes everything that passes the rules without anybody reading it.",
    ),
)
SETTINGS = {setting.path: setting for section in SECTIONS for setting in section.settings}
BY_SECTION = {section.name: section for section in SECTIONS}
DANGER_SECTIONS = tuple(section.name for section in SECTIONS if section.danger)
SECRET_NAMES = {
    "auth.google.client_secret": "google_oauth",
    "auth.oidc.client_secret": "oidc",
    "email.smtp_password": "smtp",
    "ai.api_key": "anthropic",
}
"""Path of a secret → the name under which it is kept."""
SENT_TO = {
    "auth.oidc.issuer": "auth.oidc.client_secret",
    "email.smtp_host": "email.smtp_password",
    "email.smtp_port": "email.smtp_password",
    "email.use_tls": "email.smtp_password",
    "ai.base_url": "ai.api_key",
}
"""Where a secret is sent, or how: path → the secret. Whoever changes one has to know the other."""
NOT_EDITABLE = {
    "instance.url": "links in mails and cookies depend on it: set SERVER_URL or instance.url in instance.yaml, and restart",
    "server.host": "the process listens there: set AGNES_HOST, and restart",
    "server.port": "the process listens there: set PORT, and restart",
}


@dataclass(frozen=True, slots=True)
class StoredValue:
    """What admins set."""

    value: str
    updated_at: datetime
    updated_by: str


class SettingState(BaseModel):
    """A setting with what is in force."""

    model_config = ConfigDict(frozen=True)

    path: str
    section: str
    label: str
    help: str
    kind: Kind
    choices: tuple[str, ...]
    variable: str
    """Of the environment, which wins."""
    value: str
    """In force; of a secret `***` or `<empty>`."""
    source: Origin
    updated_at: datetime | None
    updated_by: str
    """An e-mail address; empty where no admin set it."""

    @property
    def is_locked(self) -> bool:
        """Whether what admins enter would not count: the environment wins, and a secret of the file over one that is kept."""
        return self.source == "environment" or (self.kind == "secret" and self.source == "file")

    @property
    def form_name(self) -> str:
        return SETTINGS[self.path].form_name


class ServerConfig(BaseModel):
    sections: dict[str, JsonValue]
    """What is in force, nested as in instance.yaml; secrets are masked."""
    editable_sections: tuple[str, ...]
    danger_sections: tuple[str, ...]
    secret_key_patterns: tuple[str, ...]
    known_fields: list[SettingState]
    not_in_force: dict[str, str]
    """Section → why what admins set there does not count, since it no longer fits the rest."""


class ConfigUpdate(BaseModel):
    """Values by section, nested as in instance.yaml; null takes back what admins set."""

    model_config = ConfigDict(extra="forbid")

    sections: dict[str, dict[str, JsonValue]] = Field(min_length=1)
    confirm_danger: bool = False
    """Needed for the sections in `danger_sections`."""


class ConfigUpdated(BaseModel):
    status: Literal["ok"] = "ok"
    restart_required: bool = False
    """Every process reads what was saved within seconds."""
    sections_updated: list[str]
    diff_count: int


class Configure(BaseModel):
    """The first settings of an installation in one request."""

    model_config = ConfigDict(extra="forbid")

    instance_name: str = Field("", max_length=80)
    allowed_domain: str = Field("", max_length=1000)
    data_source: Literal["", "local", "keboola", "bigquery"] = ""
    keboola_token: str = ""
    keboola_url: str = ""
    bigquery_project: str = ""
    bigquery_location: str = ""
