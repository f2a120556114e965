"""`agnes-local`: Agnes on one machine.

agnes-local run                               serve: gateway, scheduler, first start
agnes-local prepare                           probe the store, migrate the state, seed or print the setup link
agnes-local routes | schedules                what infra/ says there is
agnes-local run-job NAME [--dry-run]          run a scheduled job once, here and now
agnes-local state history FILE
agnes-local state restore FILE [GENERATION]
agnes-local demo                              fill it with a sample marketplace, people and a month of use
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from agnes import settings as settings_module
from agnes.kernel.errors import AgnesError

USAGE = (__doc__ or "").partition("\n\n")[2]


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        settings = settings_module.load()
        return options.action(options, settings)
    except AgnesError as error:
        print(f"agnes-local: {error.message}", file=sys.stderr)
        if error.hint:
            print(error.hint, file=sys.stderr)
    except Exception as error:
        if not _is_told(error):
            raise
        print(f"agnes-local: {error}", file=sys.stderr)
    return 1


def _is_told(error: Exception) -> bool:
    """Whether the message says all that an operator needs."""
    return type(error).__name__ in ("CannotStart", "CompositionError")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="agnes-local", description=USAGE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    actions = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, action: Callable[..., int]) -> argparse.ArgumentParser:
        found = actions.add_parser(name)
        found.set_defaults(action=action)
        return found

    add("run", _run)
    add("prepare", _prepare)
    add("routes", _routes)
    add("schedules", _schedules)
    add("demo", _demo)
    job = add("run-job", _run_job)
    job.add_argument("name")
    job.add_argument("--dry-run", action="store_true", help="say what would be done")
    state = actions.add_parser("state").add_subparsers(dest="verb", required=True, metavar="VERB")
    history = state.add_parser("history")
    history.set_defaults(action=_history)
    history.add_argument("file")
    restore = state.add_parser("restore")
    restore.set_defaults(action=_restore)
    restore.add_argument("file")
    restore.add_argument("generation", type=int, nargs="?", help="default: the one before the newest")
    return parser


def _demo(_options: argparse.Namespace, settings: settings_module.Settings) -> int:
    from agnes_local import demo

    print(demo.fill(settings.agnes_data_dir))
    return 0


# Each imports what it needs: the supervisor stays small, and mistyped commands answer at once.


def _run(_options: argparse.Namespace, settings: settings_module.Settings) -> int:
    from agnes_local import supervisor

    return supervisor.run(settings)


def _prepare(_options: argparse.Namespace, _settings: settings_module.Settings) -> int:
    from agnes_local import prepare

    return prepare.main()


def _routes(_options: argparse.Namespace, _settings: settings_module.Settings) -> int:
    from agnes_local import composed

    for route in composed.routes():
        print(f"{route.method:7}{route.path:56}{route.function}")
    return 0


def _schedules(_options: argparse.Namespace, settings: settings_module.Settings) -> int:
    from agnes_local import composed
    from agnes_local.scheduler import described

    for job in composed.jobs():
        print(f"{job.name:32}{described(job, settings):28}{job.function}")
    for consumer in composed.consumers():
        print(f"{'queue ' + consumer.queue:32}{f'{consumer.attempts} attempts':28}{consumer.function}")
    return 0


def _run_job(options: argparse.Namespace, settings: settings_module.Settings) -> int:
    from agnes_local.scheduler import run_once

    print(run_once(options.name, settings, dry_run=options.dry_run))
    return 0


def _history(options: argparse.Namespace, _settings: settings_module.Settings) -> int:
    from agnes import wiring

    lines = wiring.state().history(options.file)
    for line in lines:
        print(f"{line['generation']:>8}  {line['at']!s:32}  {line['kind']:8}  {line['size_bytes']:>12} bytes")
    if not lines:
        print(f"{options.file} was never written")
    return 0


def _restore(options: argparse.Namespace, _settings: settings_module.Settings) -> int:
    from agnes import wiring

    state = wiring.state()
    wanted = options.generation or state.generation(options.file) - 1
    print(f"{options.file}: generation {state.restore(options.file, wanted)} is generation {wanted} again")
    return 0
