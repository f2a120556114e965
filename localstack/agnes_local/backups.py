"""The commands `backup`, `restore` and `backups`: an entire installation, put away and put back."""

from __future__ import annotations

import argparse
import re
import tempfile
from pathlib import Path

from agnes import wiring
from agnes.kernel.errors import BadRequestError
from agnes.kernel.ports import ObjectStore, Secret
from agnes.ops.backup import keeping, restoring, taking
from agnes.ops.backup.model import SECRETS_LEFT_OUT, Run, find, manifests
from agnes.ops.backup.sealing import Passphrase
from agnes.settings import Settings
from agnes.telemetry.extraction import moved

_S3 = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?")
SHOWN = 20
"""Keys of a difference."""


def place_of(options: argparse.Namespace) -> ObjectStore:
    """The store that PLACE names. Raises BadRequestError."""
    if str(options.place).startswith("s3:"):
        from agnes.outside.object_store.s3 import S3Store

        found = _S3.fullmatch(options.place)
        if found is None:
            raise BadRequestError(f"{options.place} is no place", hint="Write s3://BUCKET or s3://BUCKET/PREFIX.")
        return S3Store(found[1], prefix=found[2] or "", endpoint_url=options.endpoint or None)
    from agnes.outside.object_store.folder import FolderStore

    # Nothing is handed out of a backup, so nothing is signed.
    return FolderStore(Path(options.place), secret=Secret(""), base_url="http://backup.invalid")


def _source(settings: Settings) -> taking.Source:
    if settings.agnes_store == "s3":
        name = f"s3://{settings.agnes_bucket}/{settings.agnes_s3_prefix}"
    else:
        name = str(settings.agnes_data_dir.resolve())
    return taking.Source(wiring.store(), wiring.state(), wiring.secrets(), name)


def _target() -> restoring.Target:
    state = wiring.state()
    return restoring.Target(
        wiring.store(), state, state.names, wiring.secrets(), lambda rows: moved.take_versions(state, rows)
    )


def _passphrase(settings: Settings) -> Passphrase | None:
    given = settings.agnes_backup_passphrase.get_secret_value()
    return Passphrase(Secret(given)) if given else None


def _work(settings: Settings) -> Path:
    """For copies of large objects: on the disk of the data, since a temporary folder may be in memory."""
    folder = settings.agnes_data_dir if settings.agnes_store == "folder" else Path(tempfile.gettempdir())
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _run(options: argparse.Namespace, settings: Settings) -> Run:
    return Run(place_of(options), wiring.clock(), _work(settings), _told)


def _told(line: str) -> None:
    print(line, flush=True)


def backup(options: argparse.Namespace, settings: Settings) -> int:
    made = taking.take(_source(settings), _run(options, settings), passphrase=_passphrase(settings))
    print(f"{made.id}: {made.objects} objects, {_size(made.bytes)}, of which {_size(made.added_bytes)} were new")
    if not made.is_exact:
        print("The state files were written to all the time: each was taken as of one moment, by its writers' clocks.")
    left = [name for name in made.secrets if name not in SECRETS_LEFT_OUT]
    if left and not made.has_secrets:
        print(f"Without secrets ({', '.join(left)}): set AGNES_BACKUP_PASSPHRASE to put them into it, encrypted.")
    return 0


def restore(options: argparse.Namespace, settings: Settings) -> int:
    done = restoring.restore(
        _target(),
        _run(options, settings),
        backup=options.backup,
        replaces=options.replace,
        passphrase=_passphrase(settings),
    )
    kept = f", {done.kept} were there already" if done.kept else ""
    removed = f", {done.removed} removed" if done.removed else ""
    print(f"{done.backup.id} of {done.backup.ended:%Y-%m-%d %H:%M} UTC: {done.written} objects written{kept}{removed}")
    for file, generation in done.generations.items():
        print(f"{file}: generation {generation} is generation {done.backup.cut[file].generation} of the backup")
    if done.missing_secrets:
        print(f"Not restored: the secrets {', '.join(done.missing_secrets)} (docs/runbooks/backup.md#secrets).")
    print("Start Agnes again. Everybody has to sign in again.")
    wiring.state().close()
    return 0


def list_all(options: argparse.Namespace, _settings: Settings) -> int:
    found = manifests(place_of(options))
    for one in found:
        secrets = "with secrets" if one.has_secrets else "without secrets"
        print(f"{one.id}  {one.objects:>9} objects  {_size(one.bytes):>10}  {secrets}  {one.source}")
    if not found:
        print("no backup")
    return 0


def check(options: argparse.Namespace, settings: Settings) -> int:
    place = place_of(options)
    manifest = find(place, options.backup)
    found = keeping.check(place, manifest, _work(settings))
    for problem in found.problems:
        print(problem)
    print(f"{manifest.id}: {found.objects} objects, {_size(found.bytes)} read; {_problems(len(found.problems))}")
    return int(bool(found.problems))


def compare(options: argparse.Namespace, settings: Settings) -> int:
    place = place_of(options)
    found = keeping.compare(wiring.store(), place, find(place, options.backup), _work(settings))
    for what, keys in (("changed", found.changed), ("missing", found.missing), ("not in the backup", found.added)):
        for key in keys[:SHOWN]:
            print(f"{what}: {key}")
        if len(keys) > SHOWN:
            print(f"{what}: {len(keys) - SHOWN} more")
    counts = f"{len(found.changed)} changed, {len(found.missing)} missing, {len(found.added)} not in the backup"
    print(f"{found.same} objects are equal, {counts}")
    return int(bool(found.changed or found.missing or found.added))


def prune(options: argparse.Namespace, _settings: Settings) -> int:
    done = keeping.prune(place_of(options), keep=options.keep, clock=wiring.clock())
    print(
        f"{len(done.removed)} backups removed, {len(done.kept)} kept; {done.packs} packs, {_size(done.bytes)}, removed"
    )
    return 0


def _problems(count: int) -> str:
    return "everything is whole" if not count else f"{count} problem{'s' if count > 1 else ''}"


def _size(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
