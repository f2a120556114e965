"""The templates that are deployed: cfn-lint's rules, and our own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra import compose, templates
from infra.compose import Composition
from infra.templates import interval_setting

pytestmark = pytest.mark.slow

CFN_LINT = Path(sys.executable).with_name("cfn-lint")
BROAD = ("s3:*", "*", "secretsmanager:*", "sqs:*")


def functions(composition: Composition) -> Iterator[tuple[str, dict[str, Any]]]:
    for template in composition.templates.values():
        for resource in template["Resources"].values():
            if resource["Type"] == "AWS::Serverless::Function":
                yield own_name(resource["Properties"]["FunctionName"]), resource["Properties"]


def own_name(name: dict[str, str]) -> str:
    """A function's name without the stack's; of a log group, too."""
    return re.sub(r"^(/aws/lambda/)?\$\{(Stack|AWS::StackName)\}-", "", name["Fn::Sub"])


def statements(composition: Composition) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, properties in functions(composition):
        for policy in properties.get("Policies", []):
            for statement in policy["Statement"]:
                yield name, statement


# `make infra` lints all templates, of both kinds of API.
@pytest.mark.slow
def test_cfn_lint_would_find_something(composition: Composition, tmp_path: Path) -> None:
    compose.write(composition, tmp_path)
    root = tmp_path / "infra" / "ops.yaml"
    root.write_text(root.read_text().replace("MemorySize: 1024", "MemorySize: 64"))
    done = subprocess.run([CFN_LINT, str(root)], capture_output=True, text=True, check=False)
    assert "64 is less than the minimum of 128" in done.stdout


def test_no_function_looks_for_plugins_of_pydantic(composition: Composition) -> None:
    """That takes a twenty-fifth of an import, and there are none."""
    for name, template in composition.templates.items():
        if name != "root":
            variables = template["Globals"]["Function"]["Environment"]["Variables"]
            assert variables["PYDANTIC_DISABLE_PLUGINS"] == "__all__", name


def test_every_schedule_has_a_dead_letter_queue_and_a_retry_limit(composition: Composition) -> None:
    schedules = [
        (name, event["Properties"])
        for name, properties in functions(composition)
        for label, event in properties.get("Events", {}).items()
        if event["Type"] == "ScheduleV2" and label != "KeepWarm"  # whose failures harm nobody: the next one comes soon
    ]
    assert len(schedules) >= 3
    for name, schedule in schedules:
        assert schedule["DeadLetterConfig"]["Arn"] == {"Ref": "FailedRunsArn"}, name
        assert 0 <= schedule["RetryPolicy"]["MaximumRetryAttempts"] <= 10, name
        assert schedule["RetryPolicy"]["MaximumEventAgeInSeconds"] <= 86400, name


def test_every_queue_has_a_dead_letter_queue_and_outlives_its_function(composition: Composition) -> None:
    checked = 0
    for template in composition.templates.values():
        resources = template["Resources"]
        for resource in resources.values():
            for event in resource["Properties"].get("Events", {}).values():
                if event["Type"] != "SQS":
                    continue
                queue = resources[event["Properties"]["Queue"]["Fn::GetAtt"][0]]["Properties"]
                failed = queue["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]
                assert resources[failed]["Type"] == "AWS::SQS::Queue"
                assert queue["VisibilityTimeout"] >= 6 * resource["Properties"]["Timeout"]
                assert event["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
                checked += 1
    assert checked >= 1


def test_behind_the_api_a_function_ends_before_the_api_gives_up(composition: Composition) -> None:
    behind = {function.name for function in composition.functions if function.routes}
    assert all(properties["Timeout"] < 29 for name, properties in functions(composition) if name in behind)


def test_no_policy_is_broad(composition: Composition) -> None:
    for name, statement in statements(composition):
        assert statement["Action"] not in BROAD, name
        resources = statement["Resource"]
        for resource in resources if isinstance(resources, list) else [resources]:
            text = resource["Fn::Sub"]
            assert not text.endswith((":::${Bucket}/*", ":secret:*", ":*")), f"{name}: {text}"
        if statement["Action"] == "s3:ListBucket":
            prefixes = statement["Condition"]["StringLike"]["s3:prefix"]
            assert prefixes, name
            assert "*" not in prefixes, name


def allowed(composition: Composition, function: str, action: str) -> set[str]:
    """Keys, or listed prefixes, that a function's role may use."""
    found = set()
    for name, statement in statements(composition):
        if name == function and statement["Action"] == action:
            if action == "s3:ListBucket":
                found |= set(statement["Condition"]["StringLike"]["s3:prefix"])
            else:
                found |= {resource["Fn::Sub"].partition("${Bucket}/")[2] for resource in statement["Resource"]}
    return found


@pytest.mark.parametrize(
    ("function", "action", "keys"),
    [
        ("access-get_groups", "s3:GetObject", {"state/people/*", "tokens/used/*", "sign-ins/*"}),
        ("access-get_groups", "s3:ListBucket", {"state/people/*", "tokens/used/*", "sign-ins/*"}),
        ("access-get_groups", "s3:PutObject", {"calls/*", "tokens/used/*", "audit/token_first_use_new_ip/*"}),
        ("access-get_groups", "s3:DeleteObject", set()),
        (
            "access-any_group",
            "s3:PutObject",
            {"calls/*", "state/people/*", "intents/people/*", "tokens/used/*", "audit/token_first_use_new_ip/*"},
        ),
        ("marketplace-cron_sync", "s3:PutObject", {"calls/*", "jobs/marketplace.sync/*", "audit/job_ran/*"}),
        ("ops-get_version", "s3:DeleteObject", set()),
    ],
)
def test_a_role_reaches_its_own_prefixes_only(
    composition: Composition, function: str, action: str, keys: set[str]
) -> None:
    assert allowed(composition, function, action) == keys


def test_only_who_must_may_remove(composition: Composition) -> None:
    may = {name for name, statement in statements(composition) if statement["Action"] == "s3:DeleteObject"}
    assert may == {
        *("accounts-cron_prune", "ops-cron_prepare", "ops-cron_prune_state"),
        "feed-cron_prune",
        "audit-cron_archive",
        *("telemetry-cron_extract_usage", "telemetry-post_complete", "telemetry-post_run_session_processor"),
        *("telemetry-queue_extract", "telemetry-cron_sweep"),
        *("telemetry-delete_session", "telemetry-delete_user_sessions", "telemetry-delete_my_session"),
        *("telemetry-cron_prune_usage", "telemetry-post_prune_usage"),
        *("telemetry-any_export", "telemetry-queue_export"),  # what was cancelled or failed
        "feed-cron_sweep",
        *("marketplace-post_sync", "marketplace-post_sync_form"),  # what is damaged of trees, and the notes of it
        *("marketplace-post_sync_all", "marketplace-queue_sync"),
        *("telemetry-page_redact", "telemetry-page_redact_mine"),
        "telemetry-post_sessions",  # takes back what a redaction overtook, as do these
        *("telemetry-cron_collect", "telemetry-post_run_session_collector"),
        *("telemetry-get_transcript", "telemetry-get_user_archive", "telemetry-get_my_session_file"),
        *("flea-any_entity", "flea-post_entity", "flea-post_import"),  # an upload that was taken over
        "flea-cron_purge",
        "tables-cron_sweep",  # objects that no table names any more
    }


def test_the_bucket_is_closed(composition: Composition) -> None:
    resources = composition.templates["root"]["Resources"]
    bucket = resources["Bucket"]["Properties"]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert {rule.get("Prefix") for rule in bucket["LifecycleConfiguration"]["Rules"]} >= {"uploads/", "limits/"}
    assert resources["Bucket"]["DeletionPolicy"] == "Retain"
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    [window] = [rule for rule in bucket["LifecycleConfiguration"]["Rules"] if rule["Id"] == "versions"]
    assert window["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    assert "Prefix" not in window
    [deny] = resources["BucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert (deny["Effect"], deny["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


def test_logs_are_not_kept_for_ever(composition: Composition) -> None:
    logged = {
        own_name(resource["Properties"]["LogGroupName"])
        for template in composition.templates.values()
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::Logs::LogGroup" and resource["Properties"]["RetentionInDays"]
    }
    of_api = own_name(composition.templates["root"]["Resources"]["ApiLogs"]["Properties"]["LogGroupName"])
    assert logged == {name for name, _ in functions(composition)} | {of_api}


def test_the_level_of_logs_is_a_parameter_of_every_function(composition: Composition) -> None:
    for name, template in composition.templates.items():
        if name != "root":
            said = template["Globals"]["Function"]["LoggingConfig"]
            assert (said["LogFormat"], said["ApplicationLogLevel"]) == ("JSON", {"Ref": "LogLevel"})
            assert template["Parameters"]["LogLevel"]
    assert composition.templates["root"]["Parameters"]["LogLevel"]["Default"] == "INFO"


@pytest.mark.parametrize("kind", ["rest", "http"])
def test_the_api_logs_only_if_it_is_asked_to(kind: str) -> None:
    resources = compose.compose(kind).templates["root"]["Resources"]
    stage = resources["Api"] if kind == "rest" else resources["HttpApiStage"]
    said = stage["Properties"]["AccessLogSetting" if kind == "rest" else "AccessLogSettings"]
    assert said["Fn::If"][0] == resources["ApiLogs"]["Condition"] == "HasAccessLog"
    assert said["Fn::If"][2] == {"Ref": "AWS::NoValue"}
    line = json.loads(said["Fn::If"][1]["Format"])
    assert (line["api_request_id"], line["status"]) == ("$context.requestId", "$context.status")
    assert "query" not in said["Fn::If"][1]["Format"].lower()


def test_functions_know_a_collector_only_if_they_are_built_for_one(composition: Composition) -> None:
    assert "OTEL" not in json.dumps(composition.templates)
    traced = compose.compose(traces=True).templates
    for name, template in traced.items():
        if name != "root":
            variables = template["Globals"]["Function"]["Environment"]["Variables"]
            assert variables["OTEL_EXPORTER_OTLP_ENDPOINT"] == {"Ref": "OtelExporterOtlpEndpoint"}
            assert template["Parameters"]["OtelExporterOtlpHeaders"]["NoEcho"] == "true"
    assert traced["root"]["Parameters"]["OtelExporterOtlpHeaders"]["NoEcho"] == "true"


def test_the_api_may_call_what_its_document_names(composition: Composition) -> None:
    named = set(re.findall(r"function:\$\{AWS::StackName\}-([\w-]+)/invocations", str(composition.api)))
    permitted = {
        own_name(template["Resources"][resource["Properties"]["FunctionName"]["Ref"]]["Properties"]["FunctionName"])
        for template in composition.templates.values()
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::Lambda::Permission"
    }
    assert named == permitted


def test_nested_stacks_get_exactly_the_parameters_that_they_declare(composition: Composition) -> None:
    root = composition.templates["root"]["Resources"]
    stacks = {name: r["Properties"] for name, r in root.items() if r["Type"] == "AWS::CloudFormation::Stack"}
    assert len(stacks) == len(composition.templates) - 1
    for properties in stacks.values():
        template = composition.templates[properties["TemplateURL"].removesuffix(".yaml")]
        assert properties["Parameters"].keys() == template["Parameters"].keys()


def test_intervals_default_to_the_settings(composition: Composition) -> None:
    parameters = composition.templates["root"]["Parameters"]
    assert parameters["SchedulerUsageProcessorInterval"]["Default"] == "rate(10 minutes)"
    assert interval_setting("SchedulerUsageProcessorInterval") == "scheduler_usage_processor_interval"


def test_what_api_gateway_says_itself_has_our_shape(composition: Composition) -> None:
    for kind, answer in composition.api["x-amazon-apigateway-gateway-responses"].items():
        body = answer["responseTemplates"]["application/json"]
        assert re.fullmatch(
            r'\{"code":"\w+","message":"[^"]+","hint":"[^"]+","request_id":"\$context.requestId"\}', body
        ), kind


def test_whoever_lists_the_jobs_knows_every_interval(composition: Composition) -> None:
    intervals = {
        entry.schedule.every
        for entry in composition.entries.values()
        if entry.schedule and entry.schedule.every.isupper()
    }
    assert set(composition.entries["ops", "get_jobs"].environment) == intervals


def test_only_the_trigger_may_start_functions_and_only_those_of_schedules(composition: Composition) -> None:
    found = {
        name: statement for name, statement in statements(composition) if statement["Action"] == "lambda:InvokeFunction"
    }
    assert found.pop("migrator")["Resource"][0]["Fn::Sub"].endswith("-ops-cron_prepare")
    assert set(found) == {"ops-post_job_run", "admin-page_system"}
    started = {arn["Fn::Sub"].rpartition("${Stack}-")[2] for arn in found["ops-post_job_run"]["Resource"]}
    assert started == {job["function"] for job in composition.jobs}
    assert "ops-cron_prepare" not in started


def test_an_interval_that_eventbridge_does_not_know_stops_the_deploy(composition: Composition) -> None:
    parameter = composition.templates["root"]["Parameters"]["SchedulerUsagePruneInterval"]
    for sound in (parameter["Default"], "rate(1 minute)", "rate(2 hours)"):
        assert re.fullmatch(parameter["AllowedPattern"], sound)
    for wrong in ("", "rate(0 minutes)", "rate(1 minutes)", "600", "rate(1.5 hours)"):
        assert not re.fullmatch(parameter["AllowedPattern"], wrong)


def test_a_deployment_migrates_before_anything_that_serves_is_updated(composition: Composition) -> None:
    resources = composition.templates["root"]["Resources"]
    stacks = {name: r for name, r in resources.items() if r["Type"] == "AWS::CloudFormation::Stack"}
    last = {"AccountsStack", "DirectoryStack"}
    others = stacks.keys() - {"OpsStack"} - last
    assert {name for name in others if stacks[name]["DependsOn"] != "Migrated"} == set()
    assert "DependsOn" not in stacks["OpsStack"]
    # Credentials are given out by code that is updated when all others know them.
    assert all(stacks[name]["DependsOn"] == ["Migrated", *sorted(others)] for name in last)
    migrated = resources["Migrated"]
    assert migrated["DependsOn"] == "OpsStack"
    assert migrated["Properties"]["Function"] == {"Fn::Sub": "${AWS::StackName}-ops-cron_prepare"}
    assert "CronPrepare" in composition.templates["ops"]["Resources"]
    [policy] = resources["Migrator"]["Properties"]["Policies"]
    [statement] = policy["Statement"]
    assert statement["Resource"][0]["Fn::Sub"].endswith(":function:${AWS::StackName}-ops-cron_prepare")
    # CloudFormation waits longer than the function, and that longer than what it calls.
    prepare = composition.templates["ops"]["Resources"]["CronPrepare"]["Properties"]["Timeout"]
    assert prepare < resources["Migrator"]["Properties"]["Timeout"] < migrated["Properties"]["ServiceTimeout"]


def test_a_deployment_asks_again_when_a_migration_is_there_and_only_then(tmp_path: Path) -> None:
    folder = tmp_path / "shared/agnes/state/migrations/people"
    folder.mkdir(parents=True)
    (tmp_path / "functions/ops/cron_prepare").mkdir(parents=True)
    (tmp_path / "functions/ops/cron_prepare/app.py").write_text("")
    before = templates._state_digest("ops-cron_prepare", tmp_path)
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__/x.pyc").write_bytes(b"x")
    assert templates._state_digest("ops-cron_prepare", tmp_path) == before
    (folder / "0002_new.sql").write_text("CREATE TABLE people.new (x INT);")
    assert templates._state_digest("ops-cron_prepare", tmp_path) != before


def test_functions_that_read_arrow_have_few_arenas(composition: Composition) -> None:
    """Decision 0109: glibc reads it when the process begins."""
    arrow = {
        name: properties.get("Environment", {}).get("Variables", {}).get("MALLOC_ARENA_MAX")
        for name, properties in functions(composition)
        if {"Ref": "ArrowLayer"} in properties.get("Layers", [])
    }
    assert "telemetry-queue-export" in arrow or "telemetry-queue_export" in arrow, arrow
    assert set(arrow.values()) == {"2"}
