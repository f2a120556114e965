"""What must be true before an installation serves, done by the functions that a deploy runs too.

    python -m agnes_local prepare

The store is probed, the state migrated, the first admin seeded or a setup link made: `at_deploy` in infra/.
Idempotent. The setup link goes to the operator's terminal and nowhere else.
"""

from __future__ import annotations

from typing import Any

from agnes import wiring
from agnes.health import installation
from agnes.health.installation import Migrations
from agnes.kernel.errors import AgnesError
from agnes.kernel.ports import ObjectStore
from agnes.state import packaged
from agnes_local import composed, grounds
from agnes_local.process_life import log_as_json


class PrepareFailed(AgnesError):
    code = "prepare_failed"

    def __init__(self, function: str, reason: str) -> None:
        super().__init__(f"{function}: {reason}")


def prepare() -> list[dict[str, Any]]:
    """The functions' answers. Raises PrepareFailed and what they raise."""
    answers = []
    for function, handler in composed.at_deploy():
        answer = handler({}, None)
        if not answer["ok"]:
            raise PrepareFailed(function, answer["error"])
        answers.append(answer)
    wiring.state().close()
    return answers


def announced(answers: list[dict[str, Any]]) -> str:
    """What an operator should know of it; empty most of the time."""
    lines = []
    for answer in answers:
        if email := answer["report"].get("seeded_email"):
            lines.append(f"{email} is an admin now (SEED_ADMIN_EMAIL).")
        if link := answer.get("setup_url"):
            lines += [
                "Nobody can sign in as an admin yet. To make the first one, open this link within 24 hours:",
                "",
                f"    {link}",
                "",
            ]
    return "\n".join(lines)


def overtaken(store: ObjectStore, migrations: Migrations) -> str:
    """What an operator should know of state files that a newer release has migrated; empty most of the time."""
    newer = sorted(file for file, found in installation.files(store, migrations).items() if found.status == "mismatch")
    if not newer:
        return ""
    return (
        f"A newer Agnes has used this data: {', '.join(newer)} can be read and not changed, so signing in and much else fail.\n"
        "Update this checkout (git pull), or begin anew in another folder (AGNES_DATA_DIR).\n"
    )


def main() -> int:
    from infra import compose

    settings = wiring.settings()
    log_as_json(settings.log_level)
    grounds.check(settings.agnes_data_dir)
    compose.write_openapi(composed.composition())
    if text := overtaken(wiring.store(), packaged()):
        print(text, flush=True)
    if text := announced(prepare()):
        print(text, flush=True)
    return 0
