"""The only place where a port meets an adapter.

Everything is built on first use and survives warm starts. Tests swap the whole wiring:
`with wiring.using(Wiring(settings, store=..., clock=...)):`.
"""

from __future__ import annotations

import logging
import secrets as random_secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Protocol, TypedDict, Unpack, runtime_checkable

from pydantic import SecretStr

from agnes import settings as settings_module
from agnes.kernel.built_once import built_once, built_per_config
from agnes.kernel.clock import SystemClock
from agnes.kernel.drops import Drops
from agnes.kernel.git import GitReader
from agnes.kernel.jobs import Jobs
from agnes.kernel.llm import LanguageModel
from agnes.kernel.mail import Mailer, NoMail
from agnes.kernel.ports import Clock, DeadLetters, ObjectStore, Queue, Secret, Secrets
from agnes.kernel.principal import Principal
from agnes.kernel.provider_web import ProviderWeb
from agnes.kernel.scanning import Scanners
from agnes.kernel.signing import SigningKeys
from agnes.kernel.table_sources import TableSources
from agnes.kernel.tracing import NoTracer, Tracer
from agnes.kernel.web import WebReader
from agnes.outside.metered import unmetered
from agnes.settings import OLD_OUTBOUND, Origin, Outbound, Settings, SettingsError, usable_cores, with_values

if TYPE_CHECKING:
    from agnes.configuration.model import StoredValue
    from agnes.configuration.service import Rules as ConfigRules
    from agnes.directory.discovery import Discovery
    from agnes.directory.model import Provider, ProviderKey
    from agnes.directory.scim import Scim
    from agnes.directory.signing_on import SigningOn
    from agnes.flea.market import Market
    from agnes.flea.reviewing import Reviewer
    from agnes.hosting.ledger import Ledger
    from agnes.knowledge.context import Knowledge
    from agnes.knowledge.spending import Judge
    from agnes.marketplace.sync import Syncing
    from agnes.state import StateFiles
    from agnes.tables.collecting import Collecting
    from agnes.tables.internal import InternalTable
    from agnes.tables.objects import LocalObjects
    from agnes.tables.querying import Querying
    from agnes.telemetry.transcripts.quotas import Limits as Quotas


log = logging.getLogger("agnes.wiring")

TABLES_CACHE_BYTES = 4_000_000_000
"""Copies of tables that queries leave behind; one query may put as much beside them."""

SIDE_BY_SIDE = 8
"""Looks at state files that a process has under way at once: there are eight state files, and a store's client has
more connections."""


@runtime_checkable
class Remote(Protocol):
    """A store with clients of its own."""

    def connect(self) -> None: ...

    def disconnect(self) -> None: ...


class Parts(TypedDict, total=False):
    """Parts that replace those that a wiring would build."""

    clock: Clock
    store: ObjectStore
    signing_keys: SigningKeys
    secrets: Secrets
    git: GitReader
    web: WebReader
    drops: Drops
    flea_reviewer: Reviewer
    language_model: LanguageModel
    mailer: Mailer
    provider_web: ProviderWeb
    scanners: Scanners
    table_sources: TableSources
    jobs: Jobs
    queue: Queue
    dead_letters: DeadLetters
    ledger: Ledger
    state: StateFiles
    tracer: Tracer


@dataclass(frozen=True, slots=True)
class Configured:
    """Settings with what admins set, and of which generation of `people` that is."""

    settings: Settings
    stored: Mapping[str, StoredValue] = field(default_factory=dict)
    seen: tuple[int, str] | None = None
    not_in_force: Mapping[str, str] = field(default_factory=dict)
    """Section → why its values do not count: they no longer fit what the environment says."""

    @classmethod
    def of(cls, base: Settings, stored: Mapping[str, StoredValue], seen: tuple[int, str]) -> Configured:
        """A section that is wrong counts for nothing; if it is the one of signing in, nobody signs in by single sign-on."""
        from agnes.configuration.model import SECTIONS

        settings, wrong = base, dict[str, str]()
        for section in SECTIONS:
            values = {
                setting.variable: stored[setting.path].value
                for setting in section.settings
                if setting.path in stored and setting.kind != "secret"
            }
            try:
                settings = with_values(settings, values)
            except SettingsError as exc:
                log.error("the section %s that admins set does not count: %s", section.name, exc.message)  # noqa: TRY400 (no trace)
                wrong[section.name] = exc.message
                if section.name == "auth":
                    settings = settings.model_copy(update={"google_client_id": "", "oidc_issuer": ""})
        return cls(settings, stored, seen, wrong)


class Wiring:
    """Adapters for one configuration, each built when it is first asked for."""

    def __init__(self, settings: Settings, **given: Unpack[Parts]) -> None:
        """`given` are used in place of what the settings would build; None counts as not given."""
        self.settings = settings
        self.lock = RLock()
        if unknown := given.keys() - Parts.__annotations__:
            raise TypeError(f"a wiring has no part of the name {min(unknown)}")
        vars(self).update({name: part for name, part in given.items() if part is not None})
        self._config = Configured(settings)

    @property
    def config(self) -> Settings:
        """The settings with what admins set in the browser (decision 146), as of the newest `people`. Raises UnavailableError,
        StateDamaged."""
        return self.configured.settings

    @property
    def config_version(self) -> object:
        """Another object whenever admins set something, a secret too."""
        return self.configured.stored

    @property
    def configured(self) -> Configured:
        """The same, with what was looked at."""
        state: StateFiles = self.state
        held = self._config
        seen = state.version_seen("people")
        if seen == held.seen:
            return held
        from agnes.configuration import repository

        with state.read("people") as db:
            stored = repository.stored(db)
        if held.seen is None or stored != held.stored:
            held = Configured.of(self.settings, stored, seen)
        else:
            held = replace(held, seen=seen)
        self._config = held
        return held

    @built_once
    def clock(self) -> Clock:
        return SystemClock()

    @built_once
    def store(self) -> ObjectStore:
        from agnes.outside.metered import MeteredStore

        store = self._plain_store()
        if self.settings.traces:
            from agnes.outside.traced import TracedStore

            store = TracedStore(store, self.tracer)
        return MeteredStore(store) if self.settings.agnes_count_calls else store

    def _plain_store(self) -> ObjectStore:
        settings = self.settings
        if settings.agnes_store == "s3":
            from agnes.outside.object_store.s3 import S3Store

            return S3Store(
                settings.agnes_bucket,
                prefix=settings.agnes_s3_prefix,
                endpoint_url=settings.agnes_s3_endpoint or None,
                public_endpoint_url=settings.agnes_s3_public_endpoint or None,
            )
        from agnes.outside.object_store.folder import FolderStore

        return FolderStore(
            settings.agnes_data_dir / "store",
            secret=self.signing_keys,
            base_url=settings.base_url,
            clock=self.clock,
        )

    @built_once
    def signing_keys(self) -> SigningKeys:
        """Sign what this installation hands out and takes back; the first is made once and kept with the secrets."""
        vault: Secrets = self.secrets

        def load() -> str:
            found = vault.get("signing") or self.make_signing_key()
            return found.value

        return SigningKeys(load, self.clock)

    def make_signing_key(self) -> Secret:
        """Keep a new one, unless there is one; where it is kept may have changed with the release."""
        made: Secret = self.secrets.add("signing", Secret(random_secrets.token_hex(32)))
        return made

    @built_once
    def secrets(self) -> Secrets:
        from agnes.outside.metered import MeteredSecrets

        secrets = self._plain_secrets()
        return MeteredSecrets(secrets) if self.settings.agnes_count_calls else secrets

    def _plain_secrets(self) -> Secrets:
        if self.settings.agnes_secrets == "aws":
            from agnes.outside.parameter_store import ParameterStore, SecretsOfAws
            from agnes.outside.secrets_manager import SecretsManager

            prefix = self.settings.agnes_secret_prefix
            return SecretsOfAws(ParameterStore(prefix=prefix), SecretsManager(prefix=prefix))
        from agnes.outside.secrets_file import SecretsFile

        return SecretsFile(self.settings.agnes_data_dir / "secrets.json")

    def _outbound_allow(self, of: Outbound) -> frozenset[str]:
        old = OLD_OUTBOUND.get(of, "")
        if old and getattr(self.settings, old.lower()):
            log.warning("%s goes on working, but is the old name of AGNES_OUTBOUND_ALLOW: rename it", old)
        return self.settings.outbound_allow(of)

    @built_once
    def git(self) -> GitReader:
        from agnes.outside.git import DulwichGit

        return DulwichGit(allow=self._outbound_allow("git"))

    @built_once
    def web(self) -> WebReader:
        from agnes.outside.web import SafeWeb

        return SafeWeb(allow=self._outbound_allow("git"))

    @built_once
    def drops(self) -> Drops:
        from agnes.outside.drops import OutsideDrops

        return OutsideDrops(allow=self._outbound_allow("drops"), own_bucket=self.settings.agnes_bucket)

    @built_per_config
    def flea_reviewer(self) -> Reviewer:
        """What gives an opinion about what people share."""
        from agnes.flea.reviewing import ModelReviewer

        return ModelReviewer(self.language_model, self.scanners, self.clock, self.config.flea_review_model)

    @built_per_config
    def language_model(self) -> LanguageModel:
        from agnes.outside.claude import Claude

        by_admins = self.configured.settings.origin("ANTHROPIC_BASE_URL") == "admins"
        only_public = by_admins and "private" not in self.settings.agnes_outbound_allow
        return Claude(self._anthropic_key, base_url=self.config.anthropic_base_url, only_public=only_public)

    @built_once
    def scanners(self) -> Scanners:
        from agnes.outside.scanners import scanners

        return scanners()

    @built_once
    def table_sources(self) -> TableSources:
        from agnes.outside.table_sources import OutsideSources
        from agnes.outside.web import SafeWeb

        allow = self._outbound_allow("tables")
        return OutsideSources(allow=allow, web=SafeWeb(allow=allow), store=self.store)

    def _anthropic_key(self) -> Secret | None:
        given = self.settings.anthropic_api_key.get_secret_value()
        return Secret(given) if given else self.secrets.get("anthropic")

    @built_per_config
    def mailer(self) -> Mailer:
        settings = self.config
        if settings.mail == "none":
            return NoMail()
        from agnes.outside.mail import SesMail, SmtpMail

        if settings.mail == "ses":
            return SesMail(sender=settings.smtp_from)
        given = settings.smtp_password.get_secret_value()
        password = Secret(given) if given else self.secrets.get("smtp") if settings.smtp_user else None
        said = settings.smtp_use_tls
        security = "starttls" if said == "true" else "none" if said == "false" else said
        return SmtpMail(
            settings.smtp_host,
            settings.smtp_port,
            sender=settings.smtp_from,
            user=settings.smtp_user,
            password=password,
            security=security,
        )

    @built_once
    def provider_web(self) -> ProviderWeb:
        from agnes.outside.provider_web import SafeProviderWeb

        return SafeProviderWeb(allow=self._outbound_allow("providers"))

    @built_once
    def discovery(self) -> Discovery:
        from agnes.directory.discovery import Discovery

        return Discovery(self.provider_web, self.clock)

    def provider_labels(self) -> dict[str, str]:
        """The identity providers that are set up: key → what the sign-in page's button calls it."""
        settings = self.config
        google = {"google": "Google"} if settings.google_client_id else {}
        return google | ({"oidc": settings.oidc_name} if settings.oidc_issuer else {})

    def provider(self, key: ProviderKey) -> Provider:
        """Raises SignOnRefused if it is not set up."""
        from agnes.directory.model import GOOGLE_ISSUER, GroupRules, Provider, SignOnRefused

        settings, labels = self.config, self.provider_labels()
        if key not in labels:
            raise SignOnRefused(f"{key}_not_configured", "this way to sign in is not set up", "Ask an admin.")
        if key == "google":
            asks = settings.google_admin_sdk_subject or settings.google_admin_sdk_mock_groups
            rules = GroupRules(
                settings.agnes_google_group_prefix.lower(),
                settings.agnes_group_admin_email,
                settings.agnes_group_everyone_email,
            )
            return Provider(
                key,
                GOOGLE_ISSUER,
                settings.google_client_id,
                self._client_secret(settings.google_client_secret, "google_oauth"),
                labels[key],
                allowed_domains=settings.allowed_domains,
                groups=rules if asks else None,
            )
        return Provider(
            key,
            settings.oidc_issuer,
            settings.oidc_client_id,
            self._client_secret(settings.oidc_client_secret, "oidc"),
            labels[key],
            scopes=settings.oidc_scopes,
            allowed_domains=settings.allowed_domains,
            groups_claim=settings.oidc_groups_claim,
            trust_addresses=settings.oidc_email_verified == "assumed",
            groups=GroupRules(settings.oidc_group_prefix, settings.oidc_admin_group)
            if settings.oidc_groups_claim
            else None,
        )

    def _client_secret(self, given: SecretStr, name: str) -> Secret | None:
        return Secret(given.get_secret_value()) if given.get_secret_value() else self.secrets.get(name)

    @built_once
    def jobs(self) -> Jobs:
        if self.settings.agnes_jobs == "lambda":
            from agnes.outside.lambda_jobs import LambdaJobs

            return LambdaJobs(prefix=self.settings.agnes_function_prefix)
        from agnes.outside.folder_jobs import FolderJobs

        return FolderJobs(self.settings.agnes_data_dir / "queues")

    @built_once
    def queue(self) -> Queue:
        from agnes.outside.metered import MeteredQueue

        queue = self._plain_queue()
        return MeteredQueue(queue) if self.settings.agnes_count_calls else queue

    def _plain_queue(self) -> Queue:
        if self.settings.agnes_queue == "sqs":
            from agnes.outside.sqs_queue import SqsQueue

            return SqsQueue(url_prefix=self.settings.agnes_queue_url_prefix)
        from agnes.outside.folder_queue import FolderQueue

        return FolderQueue(self.settings.agnes_data_dir / "queues")

    @built_once
    def dead_letters(self) -> DeadLetters:
        if self.settings.agnes_queue == "sqs":
            from agnes.outside.dead_letters import SqsDeadLetters

            return SqsDeadLetters(url_prefix=self.settings.agnes_queue_url_prefix)
        from agnes.outside.dead_letters import FolderDeadLetters

        return FolderDeadLetters(self.settings.agnes_data_dir)

    @built_once
    def tracer(self) -> Tracer:
        """OpenTelemetry's packages are imported only where traces are switched on."""
        if not self.settings.traces:
            return NoTracer()
        from agnes.ops import version
        from agnes.outside.open_telemetry import OpenTelemetryTracer, quick_exporter

        return OpenTelemetryTracer(version.NUMBER, exporter=quick_exporter() if self.settings.is_on_lambda else None)

    @built_once
    def ledger(self) -> Ledger:
        from agnes.hosting.ledger import NoLedger, SampledLedger, SummedLedger

        if not self.settings.agnes_count_calls:
            return NoLedger()
        if self.settings.is_on_lambda:
            return SampledLedger(lambda: self.store, self.clock, random_secrets.SystemRandom())
        return SummedLedger(lambda: self.store, self.clock)

    @built_once
    def local_tables(self) -> LocalObjects:
        from agnes.tables.objects import LocalObjects

        return LocalObjects(self.settings.cache_dir / "tables", self.store, limit_bytes=TABLES_CACHE_BYTES)

    @built_once
    def state(self) -> StateFiles:
        from agnes.state import TAIL_GENERATIONS, StateFiles

        settings = self.settings
        on_folder = settings.agnes_store == "folder"  # a file system costs microseconds, and keeps no older versions
        return StateFiles(
            self.store,
            clock=self.clock,
            cache_dir=settings.cache_dir,
            max_stale_seconds=0.0 if on_folder else settings.state_max_stale_seconds,
            cache_limit_bytes=settings.agnes_cache_bytes,
            side_by_side=0 if on_folder else SIDE_BY_SIDE,
            tail_generations=0 if on_folder else TAIL_GENERATIONS,
        )


class Judging:
    """The `Rules` of `agnes.configuration.service`."""

    def __init__(self, wiring: Wiring) -> None:
        self._base, self._configured = wiring.settings, wiring.configured

    @property
    def not_in_force(self) -> Mapping[str, str]:
        return self._configured.not_in_force

    @property
    def may_reach(self) -> frozenset[str]:
        return self._base.agnes_outbound_allow & {"http", "private"}

    def is_public(self, address: str) -> bool:
        from agnes.outside.egress.addresses import is_public

        return is_public(address)

    def value(self, variable: str) -> str:
        return self._configured.settings.text(variable)

    def source(self, variable: str) -> Origin:
        return self._configured.settings.origin(variable)

    def faults(self, values: Mapping[str, str]) -> dict[str, str]:
        """By the environment and the file alone: a section does not depend on what admins set in another."""
        try:
            with_values(self._base, values)
        except SettingsError as exc:
            found = {}
            for problem in exc.problems:
                variable, _, reason = problem.partition(": ")
                found[variable.partition(" and ")[0]] = reason
            return found
        return {}


_current: Wiring | None = None
_lock = RLock()


def current() -> Wiring:
    global _current  # noqa: PLW0603 (one wiring a process, built on first use)
    if _current is None:
        with _lock:
            if _current is None:
                _current = Wiring(settings_module.load())
    return _current


@contextmanager
def using(wiring: Wiring) -> Iterator[Wiring]:
    """Put another wiring in place, for the whole process, until the block ends."""
    global _current  # noqa: PLW0603
    before, _current = _current, wiring
    try:
        yield wiring
    finally:
        _current = before


def quotas() -> Quotas:
    """How much of each person may be stored."""
    from agnes.telemetry.transcripts.quotas import Limits

    given = settings()
    return Limits(given.quota_day_bytes, given.quota_day_sessions, given.quota_total_bytes, given.quota_total_sessions)


def settings() -> Settings:
    """Those of this process, from its environment and instance.yaml."""
    return current().settings


def config() -> Settings:
    """The same with what admins set in the browser: for every setting of `agnes.configuration`. Raises UnavailableError."""
    return current().config


def config_rules() -> ConfigRules:
    """What a change of the configuration is judged by."""
    return Judging(current())


def cores() -> int:
    """That this process may use at once."""
    return usable_cores()


def clock() -> Clock:
    return current().clock


def store() -> ObjectStore:
    return current().store


def state() -> StateFiles:
    return current().state


def connect() -> None:
    """Import what speaks to the store and make its clients now, where that takes long."""
    store = unmetered(current().store)
    if isinstance(store, Remote):
        store.connect()


def rest() -> None:
    """Let go of what must not be in a snapshot of this process: open connections, and what was asked of the store lately."""
    state().outdate()
    store = unmetered(current().store)
    if isinstance(store, Remote):
        store.disconnect()


def secrets() -> Secrets:
    return current().secrets


def git() -> GitReader:
    return current().git


def web() -> WebReader:
    return current().web


def syncing() -> Syncing:
    """What a sync of a marketplace works with."""
    from agnes.marketplace.sync import Syncing
    from agnes.stack import following

    def after() -> None:
        following.follow(state(), now=clock().now())

    return Syncing(state(), store(), git(), secrets(), clock(), web(), settings().agnes_npm_registry, after)


def knowledge() -> Knowledge:
    """What the use cases of knowledge work with."""
    from datetime import timedelta

    from agnes.knowledge.context import Knowledge
    from agnes.knowledge.model import Rules

    given = settings()
    rules = Rules(
        given.knowledge_domains,
        given.knowledge_categories,
        given.knowledge_distribution,
        given.knowledge_approval,
        given.knowledge_threshold,
        timedelta(days=given.knowledge_review_days),
        given.knowledge_budget_tokens,
    )
    return Knowledge(state(), store(), clock(), current().scanners, rules)


def knowledge_judge() -> Judge:
    """The model that reads for knowledge, and what it may cost."""
    from agnes.knowledge.spending import Judge

    return Judge(current().language_model, settings().knowledge_model, settings().knowledge_day_usd)


def collecting() -> Collecting:
    """What collecting data tables works with."""
    from agnes.tables.collecting import Collecting

    wiring = current()
    return Collecting(
        wiring.state, wiring.store, wiring.secrets, wiring.table_sources, wiring.queue, wiring.clock, usable_cores()
    )


def querying() -> Querying:
    """What queries over data tables work with."""
    from agnes.sql.locked import shared_engine
    from agnes.tables.querying import Querying

    wiring = current()
    return Querying(wiring.state, wiring.store, wiring.clock, wiring.local_tables, shared_engine, internal_tables)


def internal_tables() -> tuple[InternalTable, ...]:
    """Tables about whoever asks: the domains that keep what they hold are above that of tables."""
    from agnes.audit import own_table
    from agnes.tables.internal import InternalColumn, InternalTable
    from agnes.telemetry.ask import own_tables

    def described(columns: Iterable[own_tables.OwnColumn]) -> tuple[InternalColumn, ...]:
        return tuple(InternalColumn(each.name, each.type, each.description) for each in columns)

    def sessions(who: Principal, path: Path) -> None:
        own_tables.write_sessions(state(), who, path)

    def events(who: Principal, path: Path) -> None:
        own_tables.write_events(state(), store(), who, path)

    def audit(who: Principal, path: Path) -> None:
        own_table.write(state(), store(), who, path, now=clock().now())

    audited = (InternalColumn(name, kind, own_table.DESCRIPTIONS[name]) for name, kind in own_table.columns().items())
    return (
        InternalTable(own_table.ID, own_table.DESCRIPTION, tuple(audited), audit),
        InternalTable(
            own_tables.SESSIONS,
            own_tables.DESCRIPTIONS[own_tables.SESSIONS],
            described(own_tables.session_columns(state())),
            sessions,
        ),
        InternalTable(
            own_tables.EVENTS,
            own_tables.DESCRIPTIONS[own_tables.EVENTS],
            described(own_tables.event_columns()),
            events,
        ),
    )


def market() -> Market:
    """What sharing in the Flea market works with."""
    from agnes.flea.market import Market

    return Market(state(), store(), queue(), clock(), current().scanners, config().flea_review)


def flea_reviewer() -> Reviewer:
    return current().flea_reviewer


def drops() -> Drops:
    return current().drops


def language_model() -> LanguageModel:
    return current().language_model


def mailer() -> Mailer:
    return current().mailer


def provider_web() -> ProviderWeb:
    return current().provider_web


def discovery() -> Discovery:
    return current().discovery


def provider(key: ProviderKey) -> Provider:
    """An identity provider that is set up. Raises SignOnRefused."""
    return current().provider(key)


def scim(who: Principal) -> Scim:
    """A directory's request by SCIM."""
    from agnes.directory.scim import PATH, Scim

    return Scim(state(), settings().base_url + PATH, who.email, clock().now())


def signing_on() -> SigningOn:
    """What finishing a sign-on works with."""
    from agnes.directory.signing_on import SigningOn

    given = config()
    return SigningOn(
        state(),
        store(),
        provider_web(),
        discovery(),
        signing_keys(),
        secrets(),
        given.base_url,
        given.google_admin_sdk_subject,
        given.google_admin_sdk_mock_groups,
    )


def provider_labels() -> dict[str, str]:
    return current().provider_labels()


def jobs() -> Jobs:
    return current().jobs


def queue() -> Queue:
    return current().queue


def dead_letters() -> DeadLetters:
    return current().dead_letters


def tracer() -> Tracer:
    """Makes spans where traces are switched on."""
    return current().tracer


def ledger() -> Ledger:
    """Where it is kept what each invocation asks for."""
    return current().ledger


def signing_keys() -> SigningKeys:
    return current().signing_keys


def make_signing_key() -> None:
    current().make_signing_key()
