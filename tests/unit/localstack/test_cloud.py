"""A sample of what infra/ holds, deployed to LocalStack: API, schedule, queue, layers, and functions that misbehave."""

import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import time
import urllib.error
import urllib.request

import chalice
import pytest

from agnes.edge.routing import RouteTable, resolved
from agnes.kernel.errors import NotFoundError
from agnes_local.cloud import DeployFailed, FunctionFailed, client, deploy, remove, run_at_deploy
from agnes_local.cloud import invoke as run
from agnes_local.localstack_host import localstack
from layers import runtimes
from tests.builders.patience import PATIENCE_SECONDS

pytestmark = [pytest.mark.slow, pytest.mark.localstack]
SAMPLE = pathlib.Path(__file__).with_name("sample")
STACK = "agnes-sample"
RUNTIME = runtimes.name_of(runtimes.running())


@pytest.fixture(scope="module")
def server():
    with localstack(idle_seconds=20) as running:
        yield running


def built_sample(folder):
    """The sample with its layer filled, as a build leaves it; the root template's path."""
    shutil.copytree(SAMPLE, folder)
    package = pathlib.Path(chalice.__file__).parent
    shutil.copytree(package, folder / "layers/web/python/chalice", ignore=shutil.ignore_patterns("__pycache__"))
    nested = folder / "sample.yaml"
    nested.write_text(nested.read_text().replace("python3.11", RUNTIME))
    return folder / "root.yaml"


@pytest.fixture(scope="module")
def stack(server, tmp_path_factory):
    return deploy(server.endpoint, built_sample(tmp_path_factory.mktemp("built") / "sample"), stack=STACK)


@pytest.fixture
def invoke(server, stack):
    functions = client("lambda", server.endpoint)

    def call(function, event):
        answer = functions.invoke(FunctionName=f"{STACK}-sample-{function}", Payload=json.dumps(event))
        return answer.get("FunctionError"), json.loads(answer["Payload"].read())

    return call


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def eventually(check, within_seconds):
    deadline = time.monotonic() + within_seconds
    while not (found := check()):
        assert time.monotonic() < deadline, f"not within {within_seconds} s"
        time.sleep(0.25)
    return found


def keys(server, stack, prefix):
    listed = client("s3", server.endpoint).list_objects_v2(Bucket=stack.outputs["Bucket"], Prefix=prefix)
    return [item["Key"] for item in listed.get("Contents", [])]


def alive(pid):
    try:
        return "State:\tZ" not in pathlib.Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_the_api_reaches_a_chalice_app_that_lives_on_two_layers(server, stack):
    url = stack.api_url(stack.outputs["ApiId"], "v1")
    status, body = get(f"{url}/items/Ann")
    assert (status, body["hello"]) == (200, "Good day, Ann"), server.function_log(f"{STACK}-sample-get_items")
    assert body["function"] == f"{STACK}-sample-get_items"
    assert "site-packages" not in body["chalice"], "chalice must come from the layer"
    assert get(f"{url}/items/Ann")[1]["pid"] == body["pid"], "a warm runtime serves the second call"
    assert get(f"{url}/nothing")[0] in (403, 404)


@pytest.mark.parametrize("accept", ["*/*", "application/x-git-upload-pack-result", None])
@pytest.mark.parametrize("body", [bytes(range(256)) * 40, b'{"text": "as well"}'])
def test_bytes_pass_the_api_both_ways(stack, accept, body):
    headers = {"Content-Type": "application/x-git"} | ({"Accept": accept} if accept else {})
    request = urllib.request.Request(f"{stack.api_url(stack.outputs['ApiId'], 'v1')}/echo", body, headers)
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
        assert answer.read() == body
        assert answer.headers["X-Was-Base64"] == "True"
        assert answer.headers.get_all("Set-Cookie") == ["one=1", "two=2"]


ROUTES = RouteTable(
    {"/things/{id}": ["GET", "DELETE"], "/things/{id}/parts/{part}": ["GET", "POST"], "/api/usage/cost": ["GET"]}
)


@pytest.mark.parametrize(
    ("method", "path", "resource", "route", "variables"),
    [
        ("GET", "/things/a%2Fb", "/things/{proxy+}", "/things/{id}", {"id": "a%2Fb"}),
        ("DELETE", "/things/%C5%BDofie%2525", "/things/{proxy+}", "/things/{id}", {"id": "%C5%BDofie%2525"}),
        ("GET", "/things/a/", "/things/{proxy+}", "/things/{id}", {"id": "a"}),
        (
            "POST",
            "/things/a/parts/b",
            "/things/{id}/parts/{proxy+}",
            "/things/{id}/parts/{part}",
            {"id": "a", "part": "b"},
        ),
        ("GET", "/api/usage/cost", "/api/{area}/cost", "/api/usage/cost", None),
        ("GET", "/things/a/b", "/things/{proxy+}", None, None),
        ("GET", "/things/a//parts/b", "/things/{proxy+}", None, None),
        ("GET", "/api/else/cost", "/api/{area}/cost", None, None),
    ],
)
def test_a_path_for_several_routes_leads_to_the_one_that_was_asked_for(stack, method, path, resource, route, variables):
    """What a function makes of the events that arrive by greedy paths, ANY and variables (`agnes.edge.routing`)."""
    url = stack.api_url(stack.outputs["ApiId"], "v1")
    with urllib.request.urlopen(urllib.request.Request(url + path, method=method), timeout=PATIENCE_SECONDS) as answer:
        event = json.load(answer)
    assert event["requestContext"]["resourcePath"] == event["resource"] == resource
    if route is None:
        with pytest.raises(NotFoundError):
            resolved(ROUTES, event)
    else:
        found = resolved(ROUTES, event)
        assert (found["resource"], found["pathParameters"], found["httpMethod"]) == (route, variables, method)


def test_a_function_sees_nothing_of_this_machines_environment(stack):
    os.environ["AGNES_TEST_LEAK"] = "1"
    _, body = get(f"{stack.api_url(stack.outputs['ApiId'], 'v1')}/items/Ann")
    assert {"BUCKET", "AWS_REGION", "AWS_ENDPOINT_URL", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"} <= set(body["seen"])
    assert not {"AGNES_TEST_LEAK", "VIRTUAL_ENV", "AGNES_LAMBDA_FOLDER", "SERVICES"} & set(body["seen"])


def test_functions_that_run_at_deploy_are_run(server, stack):
    before = set(keys(server, stack, "ticks/"))
    assert run_at_deploy(stack) == {f"{STACK}-sample-cron_tick": None}
    assert set(keys(server, stack, "ticks/")) - before


def test_a_failing_function_is_told_with_what_it_printed(server, stack):
    with pytest.raises(FunctionFailed, match=r"sample-post_trouble failed: .*no such thing(.|\n)*REPORT"):
        run(server.endpoint, f"{STACK}-sample-post_trouble", {"do": "raise"})


def test_a_schedule_fires(server, stack):
    schedules = client("scheduler", server.endpoint).list_schedules()["Schedules"]
    assert any("cron_tick" in schedule["Target"]["Arn"] for schedule in schedules)
    assert eventually(lambda: keys(server, stack, "ticks/"), within_seconds=PATIENCE_SECONDS)


def test_a_queued_message_is_consumed(server, stack):
    client("sqs", server.endpoint).send_message(QueueUrl=stack.outputs["QueueUrl"], MessageBody="look at this")
    [key] = eventually(lambda: keys(server, stack, "reviews/"), within_seconds=PATIENCE_SECONDS)
    body = client("s3", server.endpoint).get_object(Bucket=stack.outputs["Bucket"], Key=key)["Body"].read()
    assert body == b"look at this"


@pytest.mark.parametrize(
    ("do", "kind", "message"),
    [
        pytest.param("raise", "LookupError", "no such thing", id="exception"),
        pytest.param("exit", "Runtime.ExitError", "exit status 3", id="process-ends"),
        pytest.param("large", "Function.ResponseSizeTooLarge", "exceeded maximum", id="answer-over-6-MB"),
        pytest.param("sleep", "Sandbox.Timedout", "timed out after 2.00 seconds", id="runaway"),
    ],
)
def test_failures_are_reported_as_lambda_does_and_the_next_call_works(invoke, do, kind, message):
    error, body = invoke("post_trouble", {"do": do})
    assert error == "Unhandled"
    assert body["errorType"] == kind
    assert message in body["errorMessage"]
    assert invoke("post_trouble", {"do": "wait", "seconds": 0})[0] is None


def test_a_runaway_is_killed_with_what_it_started(server, invoke):
    invoke("post_trouble", {"do": "sleep"})
    log = server.function_log(f"{STACK}-sample-post_trouble")
    pid = int(log.rpartition("started ")[2].split()[0])
    assert not alive(pid)
    assert "REPORT RequestId" in log


def test_calls_at_the_same_time_have_runtimes_of_their_own(invoke):
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda _: invoke("post_trouble", {"do": "wait", "seconds": 1}), range(3)))
    assert len({pid for _, pid in answers}) == 3


def test_each_runtime_has_a_temporary_folder_of_its_own(invoke):
    invoke("post_trouble", {"do": "exit"})
    _, first = invoke("post_trouble", {"do": "touch"})
    assert 0 < first["remaining_ms"] <= 2000
    invoke("post_trouble", {"do": "sleep"})
    _, second = invoke("post_trouble", {"do": "touch"})
    assert second["pid"] != first["pid"]
    assert second["found"] == []


def test_an_idle_runtime_ends(invoke):
    _, pid = invoke("post_trouble", {"do": "wait", "seconds": 0})
    assert alive(pid)
    eventually(
        lambda: not alive(pid), within_seconds=PATIENCE_SECONDS
    )  # 60 s on a LocalStack that `servers run` started


def test_deploying_again_changes_nothing_and_uploads_nothing(server, stack, tmp_path):
    again = deploy(server.endpoint, built_sample(tmp_path / "sample"), stack=STACK)
    assert again.outputs == stack.outputs
    assert again.uploaded_bytes == 0


def test_a_stack_that_fails_says_why_and_can_be_deployed_again(server, tmp_path):
    root = built_sample(tmp_path / "sample")
    nested = root.with_name("sample.yaml")
    good = nested.read_text()
    nested.write_text(good.replace(f"Runtime: {RUNTIME}", "Runtime: python3.9"))
    with pytest.raises(DeployFailed, match=rf"wants python3\.9, and AGNES_LAMBDA_PYTHON is {re.escape(RUNTIME)}"):
        deploy(server.endpoint, root, stack="agnes-second")
    nested.write_text(good)
    assert deploy(server.endpoint, root, stack="agnes-second").outputs["ApiId"]
    remove(server.endpoint, "agnes-second")
    functions = client("lambda", server.endpoint).list_functions()["Functions"]
    assert not [function for function in functions if function["FunctionName"].startswith("agnes-second")]
