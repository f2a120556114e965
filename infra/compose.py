"""The SAM templates and the API document, composed from the functions' decorators and the tables of infra/.

    python -m infra.compose            writes build/infra/*.yaml, build/openapi.json and the lists that functions read
    python -m infra.compose --report   what there is: routes, functions, resources a stack
    python -m infra.compose --api http the root stack with an HTTP API instead of a REST API

`compose()` does the same in memory: the local gateway and scheduler take their routes and schedules from it,
so what is not in infra/ does not exist locally either.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from agnes.hosting.aws_prices import ApiKind
from infra import aws_limits, discovery, gateway_paths, openapi, tables, templates
from infra.discovery import ROOT, CompositionError, Found
from infra.tables import Entry


@dataclass(frozen=True)
class Composition:
    functions: list[Found]
    entries: dict[tuple[str, str], Entry]
    api: dict[str, Any]
    """The API document with integrations, as a REST API has it; the local gateway takes its routes from here."""
    templates: dict[str, dict[str, Any]]
    """`root` and one a domain."""

    @property
    def jobs(self) -> list[dict[str, str]]:
        """The scheduled functions, by name: what `agnes.ops.jobs` lists."""
        found = []
        for function in self.functions:
            if schedule := self.entries[function.domain, function.folder].schedule:
                setting = schedule.every if schedule.every.isupper() else ""
                expression = "" if setting else templates.expression_of(schedule)
                found.append(
                    {
                        "name": function.job_name,
                        "function": function.name,
                        "setting": setting,
                        "expression": expression,
                    }
                )
        return sorted(found, key=lambda job: job["name"])

    @property
    def below(self) -> gateway_paths.Below:
        """The prefixes that functions route by themselves."""
        return _below(self.entries)

    @property
    def hosting(self) -> dict[str, Any]:
        """What of the templates decides the price: what `agnes.hosting.report` reads."""
        queues = [entry.queue for entry in self.entries.values() if entry.queue]
        return {
            "memory_mb": {f"{domain}-{folder}": entry.memory_mb for (domain, folder), entry in self.entries.items()},
            "queues": {queue.name: queue.concurrency is not None for queue in queues},
        }

    @cached_property
    def openapi(self) -> dict[str, Any]:
        """What `/api/openapi.json` serves."""
        version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
        return openapi.for_readers(self.functions, version=version)


def compose(api_kind: ApiKind = "rest", *, snap_start: bool = False, traces: bool = False) -> Composition:
    """With the root stack's API as a REST API or as an HTTP API. Raises CompositionError naming every disagreement, and all
    that AWS would refuse."""
    functions = discovery.functions()
    entries = tables.load()
    if problems := inventory({(f.domain, f.folder) for f in functions}, set(entries)):
        raise CompositionError(problems)
    if problems := [line for f in functions for line in _mismatches(f, entries[f.domain, f.folder])]:
        raise CompositionError(problems)
    below = _below(entries)
    if problems := gateway_paths.problems(functions, below):
        raise CompositionError(problems)
    api = openapi.for_gateway(functions, below)
    if problems := aws_limits.document_problems(api):
        raise CompositionError(problems)
    composed = templates.compose(functions, entries, api, api=api_kind, snap_start=snap_start, traces=traces)
    if problems := aws_limits.template_problems(composed):
        raise CompositionError(problems)
    return Composition(functions, entries, api, composed)


def _below(entries: dict[tuple[str, str], Entry]) -> gateway_paths.Below:
    return {f"{domain}-{folder}": entry.below for (domain, folder), entry in entries.items() if entry.below}


def inventory(on_disk: set[tuple[str, str]], in_tables: set[tuple[str, str]]) -> list[str]:
    """What is a folder without an entry, or an entry without a folder."""
    problems = [
        f"functions/{domain}/{folder} has no entry in infra/{domain}.yaml" for domain, folder in on_disk - in_tables
    ]
    problems += [
        f"infra/{domain}.yaml: {folder}: there is no functions/{domain}/{folder}/app.py"
        for domain, folder in in_tables - on_disk
    ]
    return sorted(problems)


def _mismatches(function: Found, entry: Entry) -> Iterator[str]:
    """Triggers that are said in one place and not in the other."""
    kind = function.job.kind if function.job else "route"
    said = {"job": entry.schedule or entry.at_deploy, "queue": entry.queue}
    names = {"job": "`schedule` or `at_deploy`", "queue": "`queue`"}
    where = f"infra/{function.domain}.yaml: {function.folder}"
    for trigger, given in said.items():
        if trigger == kind and not given:
            yield f"{where}: a {kind} needs a {names[kind]}"
        if trigger != kind and given:
            yield f"{where}: a {kind} has no {names[trigger]}"


def write(composition: Composition, folder: Path = ROOT / "build") -> None:
    """The templates and the API's description as files, each replaced whole."""
    (folder / "infra").mkdir(parents=True, exist_ok=True)
    for name, template in composition.templates.items():
        _replace(folder / "infra" / f"{name}.yaml", yaml.dump(template, Dumper=_Dumper, sort_keys=False, width=120))
    known = {f"{name}.yaml" for name in composition.templates}
    for stale in (folder / "infra").glob("*.yaml"):
        if stale.name not in known:
            stale.unlink()
    write_openapi(composition, folder)


def write_openapi(composition: Composition, folder: Path = ROOT / "build") -> None:
    """What functions themselves answer from: the API's description, the lists of jobs and of queues, what hosting costs by."""
    folder.mkdir(exist_ok=True)
    _replace(folder / "jobs.json", json.dumps(composition.jobs, indent=1))
    queues = sorted(entry.queue.name for entry in composition.entries.values() if entry.queue)
    _replace(folder / "queues.json", json.dumps(queues))
    _replace(folder / "hosting.json", json.dumps(composition.hosting, indent=1))
    _replace(folder / "openapi.json", json.dumps(composition.openapi, separators=(",", ":")))


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text)
    temporary.replace(path)


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]  # PyYAML may be built without libyaml
    """Without anchors: CloudFormation does not take them."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 (yaml's signature)
        return True


def report(composition: Composition) -> str:
    routes = sum(len(function.routes) for function in composition.functions)
    paths = composition.api["paths"]
    resources, methods = aws_limits.path_resources(paths), sum(map(len, paths.values()))
    lines = [
        f"{len(composition.functions)} functions, {routes} routes",
        f"  a REST API: {resources} path resources of {aws_limits.REST_RESOURCES}",
        f"  an HTTP API: {methods} routes of {aws_limits.HTTP_ROUTES}",
    ]
    for name, template in composition.templates.items():
        lines.append(f"  {name}: {aws_limits.resource_count(template)} resources of {aws_limits.TEMPLATE_RESOURCES}")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.compose", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--report", action="store_true", help="print the counts")
    parser.add_argument(
        "--api", choices=("rest", "http"), default="rest", help="which API the root stack has; an emulator needs rest"
    )
    parser.add_argument(
        "--snap-start", action="store_true", help="let functions that people wait for start from snapshots (AWS only)"
    )
    parser.add_argument(
        "--traces", action="store_true", help="let functions send traces to a collector of OpenTelemetry"
    )
    parser.add_argument("--into", type=Path, default=ROOT / "build", metavar="FOLDER", help="instead of build")
    options = parser.parse_args(arguments)
    try:
        composition = compose(options.api, snap_start=options.snap_start, traces=options.traces)
    except CompositionError as problem:
        print(problem, file=sys.stderr)
        return 1
    write(composition, options.into)
    if options.report:
        print(report(composition))
    return 0


if __name__ == "__main__":
    sys.exit(main())
