"""Functions that people wait for: kept warm by a schedule, and, if it is asked for, started from a snapshot; and the disk of every one.

`waited_for: true` of an entry marks them. What each of the two costs: docs/cost.md.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import Any

from infra.discovery import Found
from infra.policies import ADMISSION_READS
from infra.tables import Entry

ALIAS = "live"
"""A snapshot is of a published version, which only an alias calls."""
KEEP_WARM = "KeepWarm"
EVERY = "rate(5 minutes)"

LEAST_MB, MOST_MB = 512, 10_240
CACHE_MB = 400
"""AGNES_CACHE_BYTES, of state files that are read."""
SNAP_START_CACHE_MB = 200
"""With a snapshot a function has LEAST_MB of disk, never more."""
COPY_MB = 128
"""A state file that a function writes is copied; at 100,000 people the largest has about so many."""
SPARE_MB = 100
EVENTS_MB = 1024
"""Of event files, which whoever reads `telemetry/` fetches to the disk; and what DuckDB spills there."""
GIT_MB = 1024
"""Of packs and of the files of one sync, 500 MB at most, as they come and unpacked."""


def keep_warm(function: Found, entry: Entry) -> dict[str, Any]:
    """A schedule that calls the function without a request: it opens the state files that its answers come from."""
    files = sorted({*ADMISSION_READS, *entry.reads, *entry.writes})
    return {
        "Type": "ScheduleV2",
        "Properties": {
            "Name": {"Fn::Sub": f"${{Stack}}-{function.name}-warm"},
            "Description": f"Keeps {function.name} warm",
            "ScheduleExpression": EVERY,
            "State": {"Ref": "KeepWarm"},
            "Input": json.dumps({"keep_warm": files}),
            "RetryPolicy": {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60},
        },
    }


def disk_mb(entry: Entry, *, snap_start: bool) -> int:
    """The size of /tmp: what the cache of state files may hold, copies of those that are written, and scratch files."""
    if snap_start and entry.waited_for:
        return LEAST_MB
    scratch = [entry.scratch_mb, EVENTS_MB * ("telemetry/" in entry.gets), GIT_MB * ("git" in entry.layers)]
    return max(LEAST_MB, CACHE_MB + COPY_MB * len(entry.writes) + max(scratch) + SPARE_MB)


def snap_start(logical: str, properties: dict[str, Any], resources: dict[str, Any]) -> None:
    """Let versions of the function start from a snapshot, and let the API call the newest one by its alias."""
    properties["AutoPublishAlias"] = ALIAS
    properties["AutoPublishAliasAllProperties"] = True  # the code is in layers, of which CodeUri says nothing
    properties["VersionDeletionPolicy"] = "Delete"  # a version that is left costs as much as the one that serves
    properties["SnapStart"] = {"ApplyOn": "PublishedVersions"}
    variables = properties.setdefault("Environment", {}).setdefault("Variables", {})
    variables["AGNES_CACHE_BYTES"] = str(SNAP_START_CACHE_MB * 1_000_000)
    permission = resources[f"{logical}Permission"]
    name = properties["FunctionName"]["Fn::Sub"]
    permission["DependsOn"] = f"{logical}Alias{ALIAS}"  # as SAM names it
    permission["Properties"]["FunctionName"] = {"Fn::Sub": f"{name}:{ALIAS}"}


def call_aliases(document: dict[str, Any], functions: Collection[str]) -> None:
    """Change the integrations of these functions to call their alias."""
    for uri in _uris(document):
        for function in functions:
            uri["Fn::Sub"] = uri["Fn::Sub"].replace(f"-{function}/invocations", f"-{function}:{ALIAS}/invocations")


def _uris(document: dict[str, Any]) -> Iterator[dict[str, str]]:
    for operations in document["paths"].values():
        for operation in operations.values():
            yield operation["x-amazon-apigateway-integration"]["uri"]
