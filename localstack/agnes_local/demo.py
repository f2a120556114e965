"""`agnes-local demo`: fill an instance with a believable demonstration, running or not.

People of an invented company, groups, the sample marketplace, stacks, and a month of sessions. It works on the same data
folder as the server, through the same services; running it again adds nothing that is there.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from agnes import wiring
from agnes.access import groups
from agnes.accounts import users
from agnes.accounts.service import find_user_by_email
from agnes.edge.job import Tick, run_job
from agnes.kernel.errors import ConflictError
from agnes.kernel.ports import Secret
from agnes.kernel.principal import SCHEDULER, Principal, Via
from agnes.marketplace import granting, sync
from agnes.marketplace import service as marketplace
from agnes.marketplace.model import NewMarketplace
from agnes.outside.git import DulwichGit
from agnes.stack import service as stack
from agnes.telemetry import service
from agnes.telemetry.transcripts import uploads
from agnes_local.demo_repository import demo_repository
from agnes_local.demo_sessions import month

SLUG = "northwind"
ADMIN = ("mira.okafor@northwind.example", "Mira Okafor")
PEOPLE = (
    ADMIN,
    ("omar.lindqvist@northwind.example", "Omar Lindqvist"),
    ("ines.varga@northwind.example", "Inês Varga"),
    ("tomasz.wrona@northwind.example", "Tomasz Wrona"),
    ("leila.haddad@northwind.example", "Leila Haddad"),
    ("jun.takeda@northwind.example", "Jun Takeda"),
    ("sofia.brandt@northwind.example", "Sofia Brandt"),
    ("peter.novak@northwind.example", "Peter Novák"),
)
STACKS = {"finops": 6, "chartkit": 5}
"""How many of the people have added a plugin; sql-style is everybody's."""


def fill(data_dir: Path) -> str:
    """Make the demonstration and say how to see it."""
    state, store, clock = wiring.state(), wiring.store(), wiring.clock()
    now = clock.now()
    password = Secret(secrets.token_urlsafe(12))
    ids, is_new = _people(now, password)
    repository = data_dir.resolve() / "demo" / "plugins.git"
    if not repository.exists():
        demo_repository(repository)
    tools = sync.Syncing(state, store, DulwichGit(allow=frozenset({"file"})), wiring.secrets(), clock, wiring.web())
    _marketplace(tools, repository, now)
    for plugin, count in STACKS.items():
        for email, name in PEOPLE[:count]:
            # Not `now`: only what was added after the marketplace was registered counts.
            stack.install(state, _as(ids[email], email, name), SLUG, plugin, now=clock.now())
    marketplace.set_system(state, SCHEDULER, SLUG, "sql-style", is_system=True)
    sessions = 0
    for email, session_id, body in month([email for email, _ in PEOPLE], today=now.date()):
        who = _as(ids[email], email, "")
        uploads.accept(store, who, filename=f"{session_id}.jsonl", body=body, now=now)
        sessions += 1
    run_job("telemetry.extract", lambda _tick: service.extract_usage(state, store, clock=clock), Tick(at=now))
    shown = f"Sign in as {ADMIN[0]} with the password {password.value}" if is_new else "The accounts were there already"
    return (
        f"{sessions} sessions of {len(PEOPLE)} people. {shown}.\n"
        "Its marketplace is a folder of this machine: start Agnes with AGNES_OUTBOUND_ALLOW=file if its nightly sync is to succeed."
    )


def _as(user_id: str, email: str, name: str) -> Principal:
    """A person of the demonstration, as if signed in; `Everyone` is what they are granted through."""
    return Principal(user_id, email, name, frozenset({"everyone"}), via=Via.LOGIN)


def _people(now: datetime, password: Secret) -> tuple[Mapping[str, str], bool]:
    """Ids by e-mail, and whether they were made now; all get the same password, the first is an admin."""
    state, ids, is_new = wiring.state(), {}, False
    for email, name in PEOPLE:
        with state.read("people") as db:
            user = find_user_by_email(db, email)
        if user is None:
            is_new = True
            user = users.create(state, SCHEDULER, email=email, name=name, now=now)
            users.set_password(state, wiring.store(), SCHEDULER, user.id, password, now=now)
        ids[email] = user.id
    if is_new:
        groups.add_membership(state, SCHEDULER, ids[ADMIN[0]], group_id="admin", now=now)
    return ids, is_new


def _marketplace(tools: sync.Syncing, repository: Path, now: datetime) -> None:
    given = NewMarketplace(
        name="Northwind Analytics",
        slug=SLUG,
        url=repository.as_uri(),
        description="What the analysts of Northwind share.",
        curator_name=ADMIN[1],
        curator_email=ADMIN[0],
    )
    try:
        marketplace.register(
            tools.state, SCHEDULER, given, secrets=tools.secrets, clock=tools.clock, allow=frozenset({"file"})
        )
    except ConflictError:
        return
    report = sync.sync(tools, SLUG, seconds=60)
    plugins = [f"{SLUG}/{plugin}" for plugin in report.added]
    granting.grant_plugins(tools.state, SCHEDULER, group_id="everyone", plugins=plugins, now=now)
