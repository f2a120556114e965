"""The executor's parts that need no LocalStack: the runtime API and the folders of code and layers."""

import http.client
import json
import threading
import zipfile

import pytest
from agnes_lambda_executor.packages import Packages
from agnes_lambda_executor.runtime_api import RESPONSE_LIMIT_BYTES, VERSION, Invocation, RuntimeApi

from tests.builders.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.slow


def archive(files):
    def download(file):
        with zipfile.ZipFile(file, "w") as bundle:
            for name, text in files.items():
                bundle.writestr(name, text)

    return download


@pytest.fixture
def api():
    served = RuntimeApi()
    yield served
    served.close()


@pytest.fixture
def call(api):
    connection = http.client.HTTPConnection(api.address, timeout=PATIENCE_SECONDS)

    def request(method, path, body=None, *, chunked=False):
        connection.request(method, VERSION + path, body, encode_chunked=chunked)
        answer = connection.getresponse()
        return answer.status, dict(answer.headers), answer.read()

    yield request
    connection.close()


INVOCATION = Invocation("r-1", b'{"a":1}', "arn:f", "Root=1", deadline_ms=123)


def test_a_runtime_is_given_an_invocation_and_its_answer_arrives(api, call):
    api.give(INVOCATION)
    status, headers, body = call("GET", "/invocation/next")
    assert (status, body) == (200, b'{"a":1}')
    assert headers["Lambda-Runtime-Aws-Request-Id"] == "r-1"
    assert headers["Lambda-Runtime-Deadline-Ms"] == "123"
    assert call("POST", "/invocation/r-1/response", b'"done"')[0] == 202
    assert [api.events.get(timeout=PATIENCE_SECONDS).kind for _ in range(2)] == ["ready", "response"]


def test_a_chunked_answer_is_put_together(api, call):
    call("POST", "/invocation/r-1/response", iter([b"one ", b"two"]), chunked=True)
    assert api.events.get(timeout=PATIENCE_SECONDS).body == b"one two"


@pytest.mark.parametrize(("extra", "kind"), [(0, "response"), (1, "error")])
def test_an_answer_over_the_limit_becomes_an_error(api, call, extra, kind):
    call("POST", "/invocation/r-1/response", b"x" * (RESPONSE_LIMIT_BYTES + extra))
    event = api.events.get(timeout=PATIENCE_SECONDS)
    assert event.kind == kind
    if kind == "error":
        assert json.loads(event.body)["errorType"] == "Function.ResponseSizeTooLarge"


def test_what_the_api_does_not_know_is_refused(api, call):
    assert call("GET", "/elsewhere")[0] == 404
    assert call("POST", "/invocation/r-1/elsewhere", b"")[0] == 404
    assert api.events.empty()


def test_closing_frees_a_waiting_runtime(api, call):
    outcome = []

    def wait():
        try:
            outcome.append(call("GET", "/invocation/next"))
        except http.client.HTTPException as closed:
            outcome.append(closed)

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert api.events.get(timeout=PATIENCE_SECONDS).kind == "ready"
    api.close()
    waiting.join(timeout=PATIENCE_SECONDS)
    assert isinstance(outcome[0], http.client.RemoteDisconnected)


def test_an_archive_is_unzipped_once(tmp_path):
    packages = Packages(tmp_path)
    first = packages.unpack("digest", archive({"app.py": "1"}))

    def again(_):
        raise AssertionError("downloaded twice")

    assert packages.unpack("digest", again) == first
    assert (first / "app.py").read_text() == "1"


def test_a_broken_archive_leaves_nothing_behind(tmp_path):
    packages = Packages(tmp_path)
    with pytest.raises(zipfile.BadZipFile):
        packages.unpack("digest", lambda file: file.write(b"no zip"))
    assert not list((tmp_path / "archives").iterdir())
    assert packages.unpack("digest", archive({"app.py": "1"})).is_dir()


def test_many_threads_unpack_one_archive(tmp_path):
    packages = Packages(tmp_path)
    found = []
    start = threading.Barrier(8)

    def unpack():
        start.wait()
        found.append(packages.unpack("digest", archive({f"{n}.py": "1" for n in range(50)})))

    threads = [threading.Thread(target=unpack) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert {len(list(folder.iterdir())) for folder in found} == {50}
    assert len(list((tmp_path / "archives").iterdir())) == 1


def test_later_layers_lie_over_earlier_ones(tmp_path):
    packages = Packages(tmp_path)
    low = packages.unpack("low", archive({"python/a/x.py": "low", "python/a/y.py": "low"}))
    high = packages.unpack("high", archive({"python/a/x.py": "high", "bin/tool": "high"}))
    both = packages.overlay([low, high])
    assert (both / "python/a/x.py").read_text() == "high"
    assert (both / "python/a/y.py").read_text() == "low"
    assert (both / "bin/tool").exists()
    assert (low / "python/a/x.py").read_text() == "low", "the layer itself is untouched"
    assert packages.overlay([high, low]) != both
    assert packages.overlay([low]) == low
    assert packages.overlay([]) is None
