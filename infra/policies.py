"""What a function's role may do: from its entry in `infra/<domain>.yaml` and from its own contract.

By key prefix, reading, writing and removing apart. A missing key is only told from a forbidden one (404, not
403) to who may list that prefix, so reading implies listing the same prefix (kopia/kopia#3072 found that S3
judges this by the key's own prefix).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from agnes.outside import parameter_store
from infra.discovery import Found
from infra.tables import Entry

ADMISSION_READS = ("people",)
"""State files that telling who asks needs."""
TREES, TREE_NOTES = "trees/", "damage/trees/"
"""Whoever reads trees notes those that are damaged, and goes by the others' notes."""
ADMISSION_NOTES = "tokens/used/"
"""Where the use of a token is noted."""
ADMISSION_AUDIT = "audit/token_first_use_new_ip/"
"""Where a token's use from a new place is recorded."""
SIGN_INS = "sign-ins/"

COUNTED_CALLS = "calls/"
"""Where an invocation leaves what it asked for (agnes.hosting.ledger)."""


def statements(function: Found, entry: Entry, *, scheduled: Sequence[str] = ()) -> list[dict[str, Any]]:
    """IAM statements, with `${Bucket}`, `${Stack}` and `${SecretPrefix}` left to Fn::Sub. `scheduled` are the names of the
    functions that schedules start."""
    needed = _prefixes(function, entry)
    found = [
        _objects(action, needed[kind])
        for kind, action in (("get", "GetObject"), ("put", "PutObject"), ("remove", "DeleteObject"))
        if needed[kind]
    ]
    if listed := _widest(needed["list"] | needed["get"]):
        found.append(
            {
                "Effect": "Allow",
                "Action": "s3:ListBucket",
                "Resource": {"Fn::Sub": "arn:${AWS::Partition}:s3:::${Bucket}"},
                "Condition": {"StringLike": {"s3:prefix": [f"{prefix}*" for prefix in listed]}},
            }
        )
    return (
        found
        + ([_objects("AbortMultipartUpload", set(entry.streams))] if entry.streams else [])
        + _secrets(entry)
        + _queues(entry)
        + (_invocations(scheduled) if entry.starts_jobs else [])
        + _dead_letters(entry)
        + _mail(entry)
    )


def _prefixes(function: Found, entry: Entry) -> dict[str, set[str]]:
    needed: dict[str, set[str]] = defaultdict(set)
    needed["get"] |= set(entry.gets)
    needed["put"] |= {*entry.puts, *entry.streams, COUNTED_CALLS}
    if TREES in entry.gets:
        needed["get"] |= {TREE_NOTES}
        needed["put"] |= {TREE_NOTES}
    needed["list"] |= set(entry.lists)
    needed["remove"] |= set(entry.removes)
    reads = {*entry.reads, *entry.writes}
    if function.routes:
        reads |= set(ADMISSION_READS)
        needed["get"] |= {ADMISSION_NOTES, SIGN_INS}
        needed["put"] |= {ADMISSION_NOTES, ADMISSION_AUDIT}
    if function.job and function.job.kind == "job":
        needed["put"] |= {f"jobs/{function.job.summary}/", "audit/job_ran/"}
        needed["get"] |= {f"jobs/{function.job.summary}/"}
    for file in reads:
        needed["get"] |= {f"state/{file}/"}
    for file in entry.writes:
        needed["get"] |= {f"intents/{file}/"}
        needed["put"] |= {f"state/{file}/", f"intents/{file}/"}
    return needed


def _objects(action: str, prefixes: set[str]) -> dict[str, Any]:
    keys = [prefix if prefix.endswith(".json") else f"{prefix}*" for prefix in _widest(prefixes)]
    return {
        "Effect": "Allow",
        "Action": f"s3:{action}",
        "Resource": [{"Fn::Sub": f"arn:${{AWS::Partition}}:s3:::${{Bucket}}/{key}"} for key in keys],
    }


def _widest(prefixes: set[str]) -> list[str]:
    """Without those that lie below another one."""
    return sorted(p for p in prefixes if not any(p != other and p.startswith(other) for other in prefixes))


def _secrets(entry: Entry) -> list[dict[str, Any]]:
    read = {*entry.secrets, *entry.keeps_secrets, *(["smtp"] if entry.mails else [])}
    kept = set(entry.keeps_secrets)
    actions = {
        # A key that an earlier release left in Secrets Manager is read there.
        "secretsmanager:GetSecretValue": read,
        "secretsmanager:CreateSecret": kept - parameter_store.NAMES,
        "secretsmanager:PutSecretValue": kept - parameter_store.NAMES,
        "secretsmanager:DeleteSecret": kept - parameter_store.NAMES,
        "ssm:GetParameter": read & parameter_store.NAMES,
        "ssm:PutParameter": kept & parameter_store.NAMES,
    }
    by_names: dict[tuple[bool, frozenset[str]], list[str]] = defaultdict(list)
    for action, names in actions.items():
        if names:
            by_names[action.startswith("ssm:"), frozenset(names)].append(action)
    return [
        {
            "Effect": "Allow",
            "Action": allowed,
            "Resource": [_secret_arn(name, parameter=parameter) for name in sorted(names)],
        }
        for (parameter, names), allowed in by_names.items()
    ]


def _dead_letters(entry: Entry) -> list[dict[str, Any]]:
    if not entry.watches:
        return []
    arn = "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:${Stack}"
    arns = [{"Fn::Sub": f"{arn}-failed-runs"}, {"Fn::Sub": f"{arn}-*-failed"}]
    return [{"Effect": "Allow", "Action": "sqs:GetQueueAttributes", "Resource": arns}]


def _mail(entry: Entry) -> list[dict[str, Any]]:
    """The sender's identity is not known to the template: any verified one of this account and region."""
    if not entry.mails:
        return []
    arn = {"Fn::Sub": "arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:identity/*"}
    return [{"Effect": "Allow", "Action": "ses:SendRawEmail", "Resource": [arn]}]


def _secret_arn(name: str, *, parameter: bool) -> dict[str, str]:
    place = "arn:${AWS::Partition}:%s:${AWS::Region}:${AWS::AccountId}:"
    if parameter:
        return {"Fn::Sub": f"{place % 'ssm'}parameter/${{Stack}}/{name}"}
    # Secrets Manager adds six random characters to a secret's name.
    tail = name if name.endswith("*") else f"{name}-??????"
    return {"Fn::Sub": f"{place % 'secretsmanager'}secret:${{Stack}}/{tail}"}


def _queues(entry: Entry) -> list[dict[str, Any]]:
    """Those that it sends to; and of its own, that what failed may come again soon. SAM lets it receive from that one."""
    actions = {
        "sqs:SendMessage": entry.sends,
        "sqs:ChangeMessageVisibility": (entry.queue.name,) if entry.queue else (),
    }
    arn = "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:${Stack}"
    return [
        {"Effect": "Allow", "Action": action, "Resource": [{"Fn::Sub": f"{arn}-{name}"} for name in sorted(names)]}
        for action, names in actions.items()
        if names
    ]


def _invocations(functions: Sequence[str]) -> list[dict[str, Any]]:
    place = "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:${Stack}-"
    arns = [{"Fn::Sub": f"{place}{name}"} for name in sorted(functions)]
    return [{"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": arns}]
