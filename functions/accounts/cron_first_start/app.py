"""Seed the first admin, or open the set-up. Invoked by hand at deploy; it has no schedule."""

from functools import wraps
from typing import Any

from agnes import wiring
from agnes.accounts import first_start
from agnes.edge import Function, job
from agnes.edge.job import Tick
from agnes.kernel.ports import Secret

app = Function("accounts-cron_first_start")

_link: list[str] = []


@job("accounts.first_start")
def prepare(tick: Tick) -> dict[str, Any]:
    """The report, which is kept, says that there is a link; only the invoker's answer holds it."""
    settings = wiring.settings()
    password = Secret(settings.seed_admin_password.get_secret_value())
    found = first_start.prepare(
        wiring.state(), seed_email=settings.seed_admin_email, seed_password=password, now=tick.at, dry_run=tick.dry_run
    )
    if found.setup_secret is not None:
        _link.append(f"{settings.base_url}/setup?secret={found.setup_secret.value}")
    return {"seeded_email": found.seeded_email, "setup_opened": found.setup_secret is not None}


@app.lambda_function()
@wraps(prepare)
def run(event: dict[str, Any] | None, context: object) -> dict[str, Any]:
    _link.clear()
    answer = prepare(event, context)
    return {**answer, "setup_url": _link.pop()} if _link else answer
