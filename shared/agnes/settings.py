"""Every setting, with its default and its rule; the only reader of the environment.

Wrong or missing settings stop the start with one message that names all of them. The table in
docs/settings.md is generated from this module (`python -m agnes.settings`).
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import re
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from agnes.kernel.colours import DARK_SURFACE, LIGHT_SURFACE, READABLE, contrast
from agnes.kernel.errors import AgnesError
from agnes.kernel.instance_file import InstanceFile, location, read
from agnes.kernel.reasons import reason

log = logging.getLogger("agnes.settings")


def _of_rate(value: object) -> object:
    """EventBridge's `rate(10 minutes)`, as the stack's parameters say it, in seconds."""
    rate = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", value) if isinstance(value, str) else None
    return int(rate[1]) * {"minute": 60, "hour": 3600, "day": 86400}[rate[2]] if rate else value


Seconds = Annotated[int, BeforeValidator(_of_rate), Field(gt=0)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
ALLOCATOR = {"MALLOC_ARENA_MAX": "2"}
"""For the environment in which a process that reads Arrow's tables begins: glibc reads it once, before anything else, and gives
each thread an arena of its own without it (decision 0109)."""
PLUGINS_OFF = {"PYDANTIC_DISABLE_PLUGINS": "__all__"}
"""For every process's environment: pydantic looks for plug-ins, of which there are none, for a twenty-fifth of an import."""
Email = Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, pattern=r"^$|^[^@\s]+@[^@\s]+$")]


CONFIG_FOLDERS = (Path("config"), Path(__file__).parents[2] / "config")
"""Of instance.yaml: in the current folder; in the checkout, on Lambda in the code's layer."""


class SettingsError(AgnesError):
    """The environment does not make a sound configuration."""

    code = "invalid_settings"

    def __init__(self, message: str, *, hint: str | None = None, problems: Iterable[str] = ()) -> None:
        super().__init__(message, hint=hint)
        self.problems = tuple(problems)


Origin = Literal["environment", "admins", "file", "default"]
"""Where a value is from, the strongest first."""
Outbound = Literal["git", "drops", "providers", "tables"]
"""Kinds of outgoing work: marketplaces with their files and packages, drop locations of transcripts, identity providers, sources of
data tables."""
OLD_OUTBOUND = {"git": "AGNES_GIT_ALLOW", "drops": "AGNES_COLLECT_ALLOW"}
"""Kind → the old name of AGNES_OUTBOUND_ALLOW for it."""


class Settings(BaseModel):
    """Field names are the variables' names in lower case."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    _origins: Mapping[str, Origin] = PrivateAttr(default_factory=dict)
    """By field; what is not here is a default."""

    port: int = Field(8000, ge=0, le=65535, description="Port of the local gateway; 0 picks a free one.")
    agnes_host: str = Field("127.0.0.1", description="Address that the local gateway listens on.")
    agnes_workers: int = Field(2, ge=1, le=64, description="Worker processes of the local gateway.")
    agnes_threads: int = Field(8, ge=1, le=256, description="Threads of each worker.")
    agnes_data_dir: Path = Field(Path(".agnes"), description="Where the embedded default keeps everything.")
    agnes_tls_fullchain_path: Path | None = Field(
        None, description="PEM file with the certificate that people see, and those that signed it."
    )
    agnes_tls_privkey_path: Path | None = Field(
        None,
        description="PEM file with its key: the local gateway serves HTTPS itself. Both files are read again when they change.",
    )
    server_url: str = Field("", description="Public base URL, with a stage's path if there is one.")
    seed_admin_email: Email = Field("", description="An account that becomes a member of Admin at start.")
    seed_admin_password: SecretStr = Field(SecretStr(""), description="Its password, set only if it has none yet.")
    scheduler_api_token: SecretStr = Field(
        SecretStr(""), description="Bearer token of an operator for the job routes, 32 characters or more."
    )
    scheduler_api_token_sha256: tuple[Digest, ...] = Field(
        (),
        description="SHA-256 of such tokens in hexadecimal digits, with a comma between: two while one replaces another.",
    )
    agnes_outbound_allow: frozenset[Literal["file", "folder", "http", "private"]] = Field(
        frozenset(),
        description="What else than https (and SFTP) to public addresses is asked: `private` addresses and plain `http`, by "
        "marketplaces, their covers, documents and npm packages, identity providers and drop locations; `file`: marketplaces "
        "in folders of this machine; `folder`: transcripts collected from such folders.",
    )
    agnes_git_allow: frozenset[Literal["file", "http", "private"]] = Field(
        frozenset(), description="Old name of AGNES_OUTBOUND_ALLOW, which counts for marketplaces alone."
    )
    agnes_npm_registry: str = Field(
        "", description="URL of the registry that `npm` sources of marketplaces come from; none are fetched without it."
    )
    agnes_collect_allow: frozenset[Literal["folder", "http", "private"]] = Field(
        frozenset(), description="Old name of AGNES_OUTBOUND_ALLOW, which counts for drop locations alone."
    )
    agnes_keep_versions: int = Field(
        20, ge=1, description="Newest versions of each curated plugin that are kept, beside those in use."
    )
    agnes_keep_version_days: int = Field(90, ge=1, description="Days that every version is kept for.")
    agnes_trusted_proxies: frozenset[IPv4Network | IPv6Network] = Field(
        frozenset(),
        description="Networks of the reverse proxies in front of the local gateway, such as 127.0.0.1/32: from them it takes "
        "a client's address out of X-Forwarded-For.",
    )
    agnes_trusted_proxy_count: int = Field(
        1, ge=1, le=10, description="How many such proxies a request passes one after another."
    )
    state_max_stale_seconds: float = Field(
        1.0, ge=0, le=15, description="How old a state that is read may be. The folder store always reads the newest."
    )
    agnes_count_calls: bool = Field(True, description="Whether calls are counted for the page of hosting costs.")
    agnes_store: Literal["folder", "s3"] = Field("folder", description="Where bytes live.")
    agnes_bucket: str = Field("", description="The bucket, if AGNES_STORE is s3.")
    agnes_s3_endpoint: str = Field("", description="Endpoint of an S3-compatible store; empty for AWS.")
    agnes_s3_public_endpoint: str = Field("", description="Endpoint in presigned URLs, if clients see another one.")
    agnes_s3_prefix: str = Field("", description="Prefix of every key in the bucket.")
    agnes_secrets: Literal["file", "aws"] = Field(
        "file", description="Where secrets live: a 0600 file or Secrets Manager."
    )
    agnes_secret_prefix: str = Field("agnes", description="Name prefix of secrets in Secrets Manager.")
    agnes_queue: Literal["folder", "sqs"] = Field("folder", description="Where queued work waits.")
    agnes_queue_url_prefix: str = Field("", description="URL prefix of the SQS queues, if AGNES_QUEUE is sqs.")
    agnes_jobs: Literal["folder", "lambda"] = Field(
        "folder",
        description="Who runs a job that an operator asks for: the local scheduler or the job's Lambda function.",
    )
    agnes_function_prefix: str = Field(
        "", description="What stands before the functions' names, if AGNES_JOBS is lambda."
    )
    agnes_cache_dir: Path | None = Field(
        None, description="Local cache of state files; below the data folder if empty."
    )
    agnes_cache_bytes: int = Field(400_000_000, ge=10_000_000, description="Upper bound of that cache.")
    agnes_backup_passphrase: SecretStr = Field(
        SecretStr(""),
        description="For `agnes-local backup` and `restore`: secrets are put into a backup, encrypted with it. 16 characters or more.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least level that is logged; on AWS the parameter `LogLevel`."
    )
    otel_exporter_otlp_endpoint: str = Field(
        "",
        description="Base URL of a collector of OpenTelemetry, such as http://127.0.0.1:4318: traces are sent there. All other "
        "OTEL_ variables of its SDK count, too.",
    )
    otel_exporter_otlp_traces_endpoint: str = Field("", description="The whole URL for traces alone.")
    otel_exporter_otlp_protocol: Literal["http/protobuf"] = Field(
        "http/protobuf", description="The only one that there is here."
    )
    otel_traces_exporter: Literal["otlp", "none"] = Field("otlp", description="`none` sends no traces.")
    otel_sdk_disabled: bool = Field(False, description="Whether OpenTelemetry is off, whatever else is set.")

    scheduler_session_collector_interval: Seconds = Field(
        600, description="Seconds between collections of transcripts."
    )
    scheduler_usage_processor_interval: Seconds = Field(600, description="Seconds between extractions of usage.")
    scheduler_verification_detector_interval: Seconds = Field(
        900, description="Seconds between readings of sessions for facts that people verified."
    )
    scheduler_corporate_memory_interval: Seconds = Field(
        1020, description="Seconds between runs that compare facts, find contradictions and end what has expired."
    )
    scheduler_usage_prune_interval: Seconds = Field(86400, description="Seconds between prunings of usage events.")
    scheduler_startup_grace_seconds: int = Field(
        60, ge=0, description="Seconds after the start before the local scheduler runs what is due."
    )
    usage_events_retention_days: int = Field(
        0, ge=0, description="Days that usage events are kept; 0 keeps them for ever."
    )
    usage_transcripts_retention_days: int = Field(
        0,
        ge=0,
        description="Days after its last activity that a session's transcripts are kept; 0 keeps them for ever.",
    )
    transcripts_keep_all: bool = Field(
        False,
        description="Store transcripts with the copies that are otherwise left out: system prompts, tools, whole requests "
        "(docs/telemetry.md).",
    )
    quota_day_bytes: int = Field(
        2_000_000_000,
        ge=0,
        description="Bytes of transcripts, as stored, that may be added for one person a day (UTC); 0 is no limit.",
    )
    quota_day_sessions: int = Field(
        2_000, ge=0, description="Sessions that may be added for one person a day (UTC); 0 is no limit."
    )
    quota_total_bytes: int = Field(
        50_000_000_000, ge=0, description="Bytes of transcripts that are stored of one person at most; 0 is no limit."
    )
    quota_total_sessions: int = Field(
        50_000, ge=0, description="Sessions that are stored of one person at most; 0 is no limit."
    )
    audit_archive_after_days: int = Field(
        1, ge=1, le=3650, description="Days after which lines of the audit move from the state files to parquet."
    )
    audit_retention_days: int = Field(
        0, ge=0, le=36500, description="Days that lines of the audit are kept; 0 keeps them for ever."
    )

    agnes_instance_name: str = Field(
        "", max_length=80, description="Name of the organisation; the sign-in page and the footer show it."
    )
    agnes_instance_brand: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)] = Field(
        "Agnes", description="What pages and mails call Agnes."
    )
    agnes_instance_subtitle: str = Field("", max_length=120, description="A line below the title of the sign-in page.")
    agnes_instance_logo_svg: str = Field(
        "",
        max_length=50_000,
        description="A logo in place of the mark, as SVG text; it is shown as an image, so no script in it runs.",
    )
    agnes_instance_admin_email: Email = Field(
        "", description="Whom people may write to; the sign-in page and error pages show it."
    )
    agnes_set_by_deployment: frozenset[str] = Field(
        frozenset(),
        description="Variables that other functions of this installation have, with a comma between; the stack says it to the "
        "page on which admins edit settings.",
    )
    agnes_home_route: str = Field(
        "/marketplace", max_length=200, description="The page after signing in, as a path of this installation."
    )
    agnes_theme_accent: str = Field(
        "", description="Colour of links and buttons, such as #2456e6; it must be readable on white (4.5:1)."
    )
    agnes_theme_accent_dark: str = Field("", description="The same for dark screens; it must be readable on #161c2a.")

    agnes_mail: Literal["none", "smtp", "ses"] = Field(
        "none", description="How mail is sent; without it admins hand links over themselves. SMTP_HOST means smtp."
    )
    smtp_host: str = Field("", description="The mail server.")
    smtp_port: int = Field(587, ge=1, le=65535, description="Its port.")
    smtp_user: str = Field("", description="The account there; empty for none.")
    smtp_password: SecretStr = Field(SecretStr(""), description="Its password; on AWS the secret `smtp` instead.")
    smtp_from: str = Field("", description="The sender's address, of SES too, such as `Agnes <agnes@example.com>`.")
    smtp_use_tls: Literal["starttls", "tls", "none", "true", "false"] = Field(
        "starttls", description="starttls, tls from the first byte on, or none. `true` is starttls, `false` none."
    )

    allowed_domains: frozenset[str] = Field(
        frozenset(),
        description="Domains of the addresses that may sign in with single sign-on, with a comma between; needed with Google.",
    )
    google_client_id: str = Field("", description="OAuth client at Google; it shows *Sign in with Google*.")
    google_client_secret: SecretStr = Field(
        SecretStr(""), description="Its secret; on AWS the secret `google_oauth` instead."
    )
    google_admin_sdk_subject: Email = Field(
        "",
        description="The Workspace administrator as whom groups are asked for; the service account's key file is the secret "
        "`google_service_account`.",
    )
    google_admin_sdk_mock_groups: str = Field(
        "", description="Groups that everybody from Google is in, instead of asking: to try things out."
    )
    agnes_google_group_prefix: str = Field(
        "", description="Only Google groups that begin so count, and whoever is in none of them may not sign in."
    )
    agnes_group_admin_email: Email = Field("", description="The Google group whose members are in Admin.")
    agnes_group_everyone_email: Email = Field("", description="The Google group that stands for Everyone.")
    oidc_issuer: str = Field(
        "", description="Issuer of an OpenID Connect provider; it shows a button to sign in with it."
    )
    oidc_client_id: str = Field("", description="The client there; its redirect is SERVER_URL/auth/oidc/callback.")
    oidc_client_secret: SecretStr = Field(
        SecretStr(""), description="Its secret; on AWS the secret `oidc` instead; empty for a public client."
    )
    oidc_name: str = Field("single sign-on", max_length=60, description="What the button calls the provider.")
    oidc_scopes: str = Field("openid email profile", description="Scopes that are asked for.")
    oidc_groups_claim: str = Field("groups", description="The claim that names a person's groups; empty: none does.")
    oidc_group_prefix: str = Field(
        "", description="Only groups that begin so count, and whoever is in none of them may not sign in."
    )
    oidc_admin_group: str = Field("", description="The provider's group whose members are in Admin.")
    oidc_email_verified: Literal["required", "assumed"] = Field(
        "required",
        description="`assumed`: an address counts where the provider sends no email_verified; one that is false never does.",
    )
    oidc_allow: frozenset[Literal["http", "private"]] = Field(
        frozenset(), description="What else than https to public addresses the provider may be at: http, private."
    )

    anthropic_api_key: SecretStr = Field(
        SecretStr(""), description="Key of the Claude API for questions; on AWS the secret `anthropic` instead."
    )
    anthropic_base_url: str = Field("", description="Another address of the Claude API.")
    usage_ask_model: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] = Field(
        "claude-haiku-4-5-20251001", description="The model that turns questions about usage into SQL."
    )

    flea_review_model: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] = Field(
        "haiku", description="The model that reviews what people share: haiku, sonnet, opus, or a model's full name."
    )
    flea_review_person_usd: float = Field(
        5.0, ge=0, description="Dollars that reviews of one person's submissions may cost in 24 hours; 0 is no cap."
    )
    flea_review_total_usd: float = Field(
        50.0, ge=0, description="Dollars that all reviews may cost in 24 hours; 0 is no cap."
    )
    flea_review: Literal["model", "admin", "off"] = Field(
        "model",
        description="Who reviews what people share after the rules: a model and, where that is not enough, an admin; an "
        "admin; nobody. Without a key of the Claude API `model` waits for an admin.",
    )

    knowledge_model: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] = Field(
        "haiku", description="The model that reads sessions for knowledge: haiku, sonnet, opus, or a model's full name."
    )
    knowledge_day_usd: float = Field(
        10.0, ge=0, description="Dollars that reading and comparing knowledge may cost in 24 hours; 0 is no cap."
    )
    knowledge_quiet_seconds: int = Field(
        900, ge=0, description="Seconds without news of a session before it is read for knowledge."
    )
    knowledge_domains: tuple[Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,59}$")], ...] = Field(
        ("finance", "engineering", "product", "data", "operations", "infrastructure"),
        description="Domains that knowledge belongs to, with a comma between; each can be granted to groups.",
    )
    knowledge_categories: tuple[Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,59}$")], ...] = Field(
        (
            "data_analysis",
            "api_integration",
            "debugging",
            "performance",
            "workflow",
            "infrastructure",
            "business_logic",
        ),
        description="Categories of knowledge, with a comma between.",
    )
    knowledge_distribution: Literal["hybrid", "admin_curated", "mandatory_only"] = Field(
        "hybrid",
        description="What sessions load beside mandatory items: hybrid, what each person voted for and then the rest; "
        "admin_curated, all approved items, votes being advice; mandatory_only, nothing, and nobody votes.",
    )
    knowledge_approval: Literal["review_queue", "auto_publish", "threshold"] = Field(
        "review_queue",
        description="What is distributed without a review: nothing; everything; what is believed at KNOWLEDGE_THRESHOLD.",
    )
    knowledge_threshold: float = Field(0.9, ge=0, le=1, description="Confidence from which `threshold` distributes.")
    knowledge_review_days: int = Field(
        180, ge=0, description="Days after which approved knowledge has to be looked at again; 0 is never."
    )
    knowledge_budget_tokens: int = Field(
        6_000, ge=500, le=100_000, description="Tokens of knowledge that a person's sessions load."
    )

    @field_validator("knowledge_domains", "knowledge_categories", mode="before")
    @classmethod
    def _comma_tuple(cls, value: object) -> object:
        return tuple(word.strip() for word in value.split(",") if word.strip()) if isinstance(value, str) else value

    @field_validator(
        "agnes_outbound_allow",
        "agnes_git_allow",
        "agnes_collect_allow",
        "agnes_trusted_proxies",
        "agnes_set_by_deployment",
        "oidc_allow",
        mode="before",
    )
    @classmethod
    def _comma_list(cls, value: object) -> object:
        return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value

    @field_validator("allowed_domains", mode="before")
    @classmethod
    def _domains(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return [word.strip().lower().removeprefix("@") for word in value.split(",") if word.strip()]

    @field_validator("scheduler_api_token_sha256", mode="before")
    @classmethod
    def _digests(cls, value: object) -> object:
        return [word.strip().lower() for word in value.split(",") if word.strip()] if isinstance(value, str) else value

    def outbound_allow(self, of: Outbound) -> frozenset[str]:
        """What else than https to public addresses one kind of outgoing work may ask: by AGNES_OUTBOUND_ALLOW and by its old
        name, which counts for that kind alone."""
        olds = {"git": self.agnes_git_allow, "drops": self.agnes_collect_allow, "providers": self.oidc_allow}
        old, own = olds.get(of, frozenset()), {"git": {"file"}, "drops": {"folder"}}.get(of, set())
        return frozenset(old | (self.agnes_outbound_allow & {"http", "private", *own}))

    def is_operator_token(self, value: str) -> bool:
        """Whether this bearer is an operator's. The same work for every answer."""
        digest, found = hashlib.sha256(value.encode()).hexdigest(), False
        given = self.scheduler_api_token.get_secret_value()
        own = (hashlib.sha256(given.encode()).hexdigest(),) if given else ()
        for known in (*own, *self.scheduler_api_token_sha256):
            found |= hmac.compare_digest(known, digest)
        return found

    @field_validator("agnes_home_route")
    @classmethod
    def _path_here(cls, value: str) -> str:
        if not re.fullmatch(r"/(?![/\\\\])[A-Za-z0-9/_.~?=&%-]*", value):
            raise ValueError("must be a path of this installation, such as /me/connect, with one slash before it")
        return value

    @field_validator("agnes_instance_logo_svg")
    @classmethod
    def _is_svg(cls, value: str) -> str:
        value = value.strip()
        if value and not (re.match(r"(?:<\?xml[^>]*>\s*)?<svg[\s>]", value) and value.endswith("</svg>")):
            raise ValueError("must be an <svg> element")
        return value

    @field_validator("agnes_theme_accent", "agnes_theme_accent_dark")
    @classmethod
    def _is_readable(cls, value: str, info: ValidationInfo) -> str:
        value = value.strip().lower()
        if value and not re.fullmatch(r"#[0-9a-f]{6}", value):
            raise ValueError("must be a colour such as #2456e6")
        surface = DARK_SURFACE if info.field_name == "agnes_theme_accent_dark" else LIGHT_SURFACE
        if value and contrast(value, surface) < READABLE:
            raise ValueError(f"must differ more from {surface}: text in it would not be readable (4.5:1)")
        return value

    @field_validator("scheduler_api_token")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        if 0 < len(value.get_secret_value()) < 32:
            raise ValueError("must have 32 characters or more")
        return value

    @field_validator("agnes_npm_registry")
    @classmethod
    def _registry(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or parts.username is not None or not parts.hostname):
            raise ValueError("must be an http or https URL without credentials")
        return value.rstrip("/")

    @field_validator("oidc_issuer")
    @classmethod
    def _issuer(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment):
            raise ValueError("must be a URL without a query, such as https://login.example.com")
        return value

    @field_validator(
        "server_url", "anthropic_base_url", "otel_exporter_otlp_endpoint", "otel_exporter_otlp_traces_endpoint"
    )
    @classmethod
    def _absolute(cls, value: str) -> str:
        if value and urlsplit(value).scheme not in ("http", "https"):
            raise ValueError("must begin with http:// or https://")
        return value.rstrip("/")

    def origin(self, variable: str) -> Origin:
        """Where the value of a variable is from."""
        if variable in self.agnes_set_by_deployment:
            return "environment"
        return self._origins.get(variable.lower(), "default")

    def text(self, variable: str) -> str:
        """A value as the variable would hold it; of a secret, whether there is one: `***`, or empty."""
        value = getattr(self, variable.lower())
        if isinstance(value, SecretStr):
            return "***" if value.get_secret_value() else ""
        if isinstance(value, frozenset | tuple):
            return ",".join(sorted(map(str, value)))
        return str(value)

    def seconds_between(self, setting: str) -> int:
        """The interval that a variable such as SCHEDULER_USAGE_PRUNE_INTERVAL holds."""
        seconds: int = getattr(self, setting.lower())
        return seconds

    @property
    def is_on_lambda(self) -> bool:
        return self.agnes_jobs == "lambda"

    @cached_property
    def traces(self) -> bool:
        """Whether spans are made and sent."""
        has_collector = bool(self.otel_exporter_otlp_endpoint or self.otel_exporter_otlp_traces_endpoint)
        return has_collector and self.otel_traces_exporter == "otlp" and not self.otel_sdk_disabled

    @cached_property
    def mail(self) -> str:
        """none, smtp or ses."""
        return "smtp" if self.agnes_mail == "none" and self.smtp_host else self.agnes_mail

    @cached_property
    def base_url(self) -> str:
        """Public base URL, without a trailing slash."""
        return self.server_url or f"http://{self.agnes_host}:{self.port}"

    @cached_property
    def base_path(self) -> str:
        """What stands before every path in links: empty, or a stage such as `/prod`."""
        return urlsplit(self.base_url).path

    @cached_property
    def public_host(self) -> str:
        return urlsplit(self.base_url).netloc

    @cached_property
    def secure_cookies(self) -> bool:
        return self.base_url.startswith("https://")

    @cached_property
    def cache_dir(self) -> Path:
        return self.agnes_cache_dir or self.agnes_data_dir / "cache"


def load(environ: Mapping[str, str] | None = None, *, folders: Iterable[Path] | None = None) -> Settings:
    """Settings from the environment and, beneath it, from an instance.yaml (`agnes.kernel.instance_file`). Raises SettingsError naming
    everything that is wrong, never a value. `folders` may have the file; of the environment of this process, CONFIG_FOLDERS."""
    if folders is None:
        folders = CONFIG_FOLDERS if environ is None else ()
    environ = os.environ if environ is None else environ
    file = location(environ, folders)
    said = read(file, environ) if file else InstanceFile(Path())
    for warning in said.warnings:
        log.warning("%s: %s", said.path, warning)
    beneath = said.values | {name: value for name, value in environ.items() if value or name not in said.values}
    given = {name: beneath[name.upper()] for name in Settings.model_fields if name.upper() in beneath}
    problems = []
    try:
        settings = Settings.model_validate(given)
    except ValidationError as exc:
        problems = [f"{str(e['loc'][0]).upper()}: {reason(e)}" for e in exc.errors(include_input=False)]
    else:
        problems = _contradictions(settings)
        settings._origins = {name: _origin(name, settings, environ, said) for name in given}
    of_file = {name: key for name, key in said.source.items() if not environ.get(name)}
    problems = said.faults + [_with_key(problem, of_file) for problem in problems]
    if problems:
        lines = "".join(f"\n  {problem}" for problem in problems)
        raise SettingsError(f"these settings are wrong:{lines}", hint="See docs/settings.md and docs/configuration.md.")
    return settings


def _origin(name: str, settings: Settings, environ: Mapping[str, str], said: InstanceFile) -> Origin:
    """A stack gives its functions every parameter: one that has the default's value is not the operator's choice."""
    if environ.get(name.upper()) and not (settings.is_on_lambda and getattr(settings, name) == _default(name)):
        return "environment"
    return "file" if name.upper() in said.values else "default"


def _default(name: str) -> object:
    return Settings.model_fields[name].default


def with_values(base: Settings, values: Mapping[str, str]) -> Settings:
    """The same settings with what admins set, by variable; what the environment says stays. Raises SettingsError naming the
    variables that are wrong, never a value."""
    ours = {name.lower(): text for name, text in values.items() if base.origin(name) != "environment"}
    if not ours:
        return base
    try:
        settings = Settings.model_validate(base.model_dump() | ours)
    except ValidationError as exc:
        problems = [f"{str(e['loc'][0]).upper()}: {reason(e)}" for e in exc.errors(include_input=False)]
    else:
        known = set(_contradictions(base))
        # The values of what other functions have are not known here, so nothing is said of them.
        problems = [
            problem
            for problem in _contradictions(settings)
            if problem not in known and not any(name in problem for name in base.agnes_set_by_deployment)
        ]
        settings._origins = {**base._origins, **dict.fromkeys(ours, "admins")}
    if problems:
        raise SettingsError("; ".join(problems), problems=problems)
    return settings


def _with_key(problem: str, of_file: Mapping[str, str]) -> str:
    """A problem with the key of instance.yaml that its variable is from."""
    variable, _, rest = problem.partition(":")
    return f"{of_file[variable]} ({variable}):{rest}" if variable in of_file else problem


def initialisation(environ: Mapping[str, str] | None = None) -> str:
    """How Lambda started this process: `on-demand`, `provisioned-concurrency` or `snap-start`; empty where it is not Lambda."""
    environ = os.environ if environ is None else environ
    return environ.get("AWS_LAMBDA_INITIALIZATION_TYPE", "")


def usable_cores(environ: Mapping[str, str] | None = None) -> int:
    """Cores that this process may use at once. AWS gives a function one for each 1,769 MB, and shows it more."""
    environ = os.environ if environ is None else environ
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    if memory := environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", ""):
        cores = min(cores, int(memory) // 1769)
    with suppress(OSError, ValueError):  # a container's share; "max" is all of them
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        cores = min(cores, int(quota) // int(period))
    return max(1, cores)


def _contradictions(settings: Settings) -> list[str]:
    problems = []
    if settings.agnes_store == "s3" and len(settings.agnes_bucket) < 3:
        problems.append("AGNES_BUCKET: needed, 3 characters or more, because AGNES_STORE is s3")
    if settings.agnes_queue == "sqs" and not settings.agnes_queue_url_prefix:
        problems.append("AGNES_QUEUE_URL_PREFIX: needed, because AGNES_QUEUE is sqs")
    if settings.mail != "none" and "@" not in settings.smtp_from:
        problems.append("SMTP_FROM: needed, an address, because mail is sent")
    if settings.agnes_mail == "smtp" and not settings.smtp_host:
        problems.append("SMTP_HOST: needed, because AGNES_MAIL is smtp")
    if settings.google_client_id and not settings.allowed_domains:
        problems.append(
            "ALLOWED_DOMAINS: needed, because GOOGLE_CLIENT_ID is set: anybody can have an account at Google"
        )
    if bool(settings.oidc_issuer) != bool(settings.oidc_client_id):
        problems.append("OIDC_ISSUER and OIDC_CLIENT_ID: each needs the other")
    if settings.oidc_issuer.startswith("http:") and "http" not in settings.oidc_allow:
        problems.append("OIDC_ISSUER: must begin with https://, or OIDC_ALLOW must hold http")
    if settings.agnes_google_group_prefix and not (
        settings.google_admin_sdk_subject or settings.google_admin_sdk_mock_groups
    ):
        problems.append("GOOGLE_ADMIN_SDK_SUBJECT: needed, because AGNES_GOOGLE_GROUP_PREFIX is set")
    if settings.agnes_tls_privkey_path and not settings.agnes_tls_fullchain_path:
        problems.append("AGNES_TLS_FULLCHAIN_PATH: needed, because AGNES_TLS_PRIVKEY_PATH is set")
    if settings.seed_admin_password.get_secret_value() and not settings.seed_admin_email:
        problems.append("SEED_ADMIN_EMAIL: needed, because SEED_ADMIN_PASSWORD is set")
    if 0 < len(settings.seed_admin_password.get_secret_value()) < 12:
        problems.append("SEED_ADMIN_PASSWORD: must have 12 characters or more")
    return problems


def table() -> str:
    """The settings as a Markdown table, for docs/settings.md."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = field.default
        if isinstance(default, SecretStr) or default in ("", None, frozenset()):
            default = "none"
        rows.append(f"| `{name.upper()}` | {default} | {field.description} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(table())  # noqa: T201
