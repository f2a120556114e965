"""`agnes-local`: Agnes on one machine.

agnes-local run                               serve: gateway, scheduler, first start
agnes-local prepare                           probe the store, migrate the state, seed or print the setup link
agnes-local routes | schedules                what infra/ says there is
agnes-local run-job NAME [--dry-run]          run a scheduled job once, here and now
agnes-local state history FILE
agnes-local state check [FILE …]              read every state file whole, and say what is damaged
agnes-local state restore FILE [GENERATION]   go back; without a number, to the newest before the present that verifies
agnes-local state rebuild-head FILE           in place of a head that is missing or unreadable, from what verifies
agnes-local backup PLACE                      put the whole installation into a folder or s3://BUCKET/PREFIX
agnes-local restore PLACE [--backup ID]       put it back, also into another store; --replace over an installation
agnes-local backups list | check PLACE        which there are; read one whole and verify every object
agnes-local backups compare PLACE             which objects of this installation are not as in the backup
agnes-local backups prune PLACE --keep N      remove all but the newest N
agnes-local signing-keys list                 which key signs, and until when the others are accepted
agnes-local signing-keys rotate [--at-once]   a new key; without the flag, what the others signed is accepted for a week
agnes-local dead-letters [list]               what failed as often as it was tried: runs of schedules, messages of queues
agnes-local dead-letters send-again QUEUE     put its letters back into the queue
agnes-local dead-letters remove QUEUE         throw them away
agnes-local demo                              fill it with a sample marketplace, people and a month of use
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from agnes import settings as settings_module
from agnes.kernel.errors import AgnesError, NotFoundError

if TYPE_CHECKING:
    Actions = argparse._SubParsersAction[argparse.ArgumentParser]

    from agnes.state.repair import Checked

SHOWN = 20
"""Letters of a queue."""
USAGE = (__doc__ or "").partition("\n\n")[2]


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        settings = settings_module.load()
        status: int = options.action(options, settings)
        return status
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
    check = state.add_parser("check")
    check.set_defaults(action=_check)
    check.add_argument("files", nargs="*", metavar="FILE", help="default: all")
    rebuild = state.add_parser("rebuild-head")
    rebuild.set_defaults(action=_rebuild_head)
    rebuild.add_argument("file")
    rebuild.add_argument("--yes", action="store_true", help="do it; without, only say what would be lost")
    restore = state.add_parser("restore")
    restore.set_defaults(action=_restore)
    restore.add_argument("file")
    restore.add_argument("generation", type=int, nargs="?", help="default: the newest before the present that verifies")
    keys = actions.add_parser("signing-keys").add_subparsers(dest="verb", required=True, metavar="VERB")
    keys.add_parser("list").set_defaults(action=_signing_keys)
    rotate = keys.add_parser("rotate")
    rotate.set_defaults(action=_rotate)
    rotate.add_argument("--at-once", action="store_true", help="refuse what the keys before have signed")
    _add_backups(actions)
    letters = actions.add_parser("dead-letters")
    letters.set_defaults(action=_letters)
    verb = letters.add_subparsers(dest="verb", metavar="VERB")
    verb.add_parser("list")
    for name, action in (("send-again", _send_again), ("remove", _remove)):
        one = verb.add_parser(name)
        one.set_defaults(action=action)
        one.add_argument("queue")
    return parser


def _add_backups(actions: Actions) -> None:
    def add(parent: Actions, name: str, function: str) -> argparse.ArgumentParser:
        def act(options: argparse.Namespace, settings: settings_module.Settings) -> int:
            from agnes_local import backups

            status: int = getattr(backups, function)(options, settings)
            return status

        found = parent.add_parser(name)
        found.set_defaults(action=act)
        found.add_argument("place", metavar="PLACE", help="a folder, or s3://BUCKET[/PREFIX]")
        found.add_argument("--endpoint", default="", help="of an S3-compatible store that PLACE is in; default: AWS")
        return found

    add(actions, "backup", "backup")
    restore = add(actions, "restore", "restore")
    restore.add_argument("--backup", default="", metavar="ID", help="default: the newest")
    restore.add_argument("--replace", action="store_true", help="replace everything that the installation has")
    verbs = actions.add_parser("backups").add_subparsers(dest="verb", required=True, metavar="VERB")
    add(verbs, "list", "list_all")
    for name in ("check", "compare"):
        add(verbs, name, name).add_argument("--backup", default="", metavar="ID", help="default: the newest")
    add(verbs, "prune", "prune").add_argument("--keep", type=int, required=True, metavar="N", help="newest to keep")


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

    for path, method, function in composed.decorated():
        print(f"{method:7}{path:56}{function}")
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


def _check(options: argparse.Namespace, _settings: settings_module.Settings) -> int:
    from agnes import wiring

    damaged = False
    for file in options.files or wiring.state().names:
        checked = wiring.state().check(file)
        if not checked.problem:
            print(f"{file}: {f'generation {checked.generation} is whole' if checked.generation else 'never written'}")
            continue
        damaged = True
        print(f"{file}: {checked.problem}")
        print(f"  {_what_is_left(checked)}")
        if checked.sound:
            verb = "restore" if checked.is_head_readable else "rebuild-head"
            print(f"  agnes-local state {verb} {file} goes back to it.")
    return int(damaged)


def _rebuild_head(options: argparse.Namespace, _settings: settings_module.Settings) -> int:
    from agnes import wiring

    state = wiring.state()
    if not options.yes:
        checked = state.check(options.file)
        if not checked.is_head_readable and checked.sound:
            print(f"{options.file}: {_what_is_left(checked)} Add --yes to go back to it.")
            return 1
    generation = state.rebuild_head(options.file)
    print(f"{options.file}: has a head again, at generation {generation}")
    return 0


def _what_is_left(checked: Checked) -> str:
    if checked.sound is None:
        return "No generation of it verifies. Take it from a backup."
    later = "1 later generation is" if checked.lost == 1 else f"{checked.lost} later generations are"
    lost = f"{later} lost" if checked.lost else "nothing is lost"
    return f"Generation {checked.sound.generation} of {checked.sound_at} is the newest that verifies; {lost}."


def _restore(options: argparse.Namespace, _settings: settings_module.Settings) -> int:
    from agnes import wiring

    state = wiring.state()
    wanted = options.generation
    if wanted is None:
        checked = state.check(options.file)
        sound = checked.sound if checked.problem else None
        wanted = sound.generation if sound is not None else state.generation(options.file) - 1
    print(f"{options.file}: generation {state.restore(options.file, wanted)} is generation {wanted} again")
    return 0


def _signing_keys(_options: argparse.Namespace, _settings: settings_module.Settings) -> int:
    from agnes import wiring
    from agnes.ops import signing_keys

    print("\n".join(signing_keys.described(wiring.secrets(), wiring.clock().now())))
    return 0


def _rotate(options: argparse.Namespace, _settings: settings_module.Settings) -> int:
    from agnes import wiring
    from agnes.ops import signing_keys

    now = wiring.clock().now()
    signing_keys.rotate(wiring.secrets(), wiring.state(), now, at_once=options.at_once)
    print("\n".join(signing_keys.described(wiring.secrets(), now)))
    return 0


def _letters(_options: argparse.Namespace, _settings: settings_module.Settings) -> int:
    from agnes import wiring

    letters, queues = wiring.dead_letters(), _queues()
    counts = letters.count(queues[1:])
    for queue in queues:
        print(f"{queue}: {counts[queue]}")
        for letter in letters.read(queue, at_most=SHOWN) if counts[queue] else ():
            print(f"  {letter.id}  {letter.body[:200]}{'  ' if letter.reason else ''}{letter.reason[:300]}")
        if counts[queue] > SHOWN:
            print(f"  and {counts[queue] - SHOWN} more")
    return 0


def _send_again(options: argparse.Namespace, _settings: settings_module.Settings) -> int:
    from agnes import wiring

    print(f"{options.queue}: {wiring.dead_letters().send_again(_known(options.queue))} sent again")
    return 0


def _remove(options: argparse.Namespace, _settings: settings_module.Settings) -> int:
    from agnes import wiring

    print(f"{options.queue}: {wiring.dead_letters().remove(_known(options.queue))} removed")
    return 0


def _known(queue: str) -> str:
    if queue not in (queues := _queues()):
        raise NotFoundError(f"no queue {queue}", hint=f"There are: {', '.join(queues)}.")
    return queue


def _queues() -> list[str]:
    from agnes.outside.dead_letters import FAILED_RUNS
    from agnes_local import composed

    return [FAILED_RUNS, *(consumer.queue for consumer in composed.consumers())]
