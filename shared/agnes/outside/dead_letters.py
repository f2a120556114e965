"""Dead letters: in the folders of one machine, or in SQS."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from agnes.kernel.errors import InvalidError, UnavailableError
from agnes.kernel.ports import DeadLetter

FAILED_RUNS = "failed-runs"
HELD_SECONDS = 60
"""How long SQS keeps letters from others while we have them."""
BATCH = 10
"""Messages of one call; SQS takes no more."""


class FolderDeadLetters:
    """`<data>/failed-runs/`, where the local scheduler keeps them, and `<data>/queues/<queue>/failed/`."""

    def __init__(self, data_dir: Path | str) -> None:
        self._data_dir = Path(data_dir)

    def count(self, queues: Iterable[str]) -> dict[str, int]:
        return {name: len(self._files(name)) for name in (FAILED_RUNS, *queues)}

    def read(self, queue: str, *, at_most: int) -> list[DeadLetter]:
        return [_letter(queue, file) for file in self._files(queue)[:at_most]]

    def send_again(self, queue: str) -> int:
        _refuse_runs(queue)
        files = self._files(queue)
        for file in files:
            file.rename(file.parents[1] / "ready" / f"{file.name.partition('.')[0]}.0")
        return len(files)

    def remove(self, queue: str) -> int:
        files = self._files(queue)
        for file in files:
            file.unlink(missing_ok=True)
        return len(files)

    def _files(self, queue: str) -> list[Path]:
        """Oldest first."""
        folder = self._data_dir / (FAILED_RUNS if queue == FAILED_RUNS else f"queues/{queue}/failed")
        return sorted(folder.iterdir()) if folder.is_dir() else []


class SqsDeadLetters:
    """`url_prefix` and a queue's name make its URL, as in `SqsQueue`; dead letters are in `<queue>-failed`."""

    def __init__(self, *, url_prefix: str, client: Any = None) -> None:
        import boto3

        self._url_prefix = url_prefix
        self._client = client or boto3.client("sqs")

    def count(self, queues: Iterable[str]) -> dict[str, int]:
        return {name: self._depth(name) for name in (FAILED_RUNS, *queues)}

    def read(self, queue: str, *, at_most: int) -> list[DeadLetter]:
        url, found = self._url(queue), []
        for batch in self._held(queue, at_most):
            found += batch
        for some in _in_tens(found):
            entries = [{**_named(number, letter), "VisibilityTimeout": 0} for number, letter in enumerate(some)]
            self._ask("gives no letter back", queue, "change_message_visibility_batch", QueueUrl=url, Entries=entries)
        read = _run if queue == FAILED_RUNS else lambda letter: DeadLetter(letter["MessageId"], letter["Body"], "")
        return [read(letter) for letter in found]

    def send_again(self, queue: str) -> int:
        _refuse_runs(queue)
        return self._take_out(queue, back_to=f"{self._url_prefix}{queue}")

    def remove(self, queue: str) -> int:
        return self._take_out(queue)

    def _take_out(self, queue: str, *, back_to: str = "") -> int:
        """A letter goes only when it is in its queue again: it may be there twice, and is never lost."""
        count = 0
        for batch in self._held(queue, self._depth(queue)):
            if back_to:
                bodies = [{"Id": str(number), "MessageBody": letter["Body"]} for number, letter in enumerate(batch)]
                self._ask(
                    "does not take its letters again", queue, "send_message_batch", QueueUrl=back_to, Entries=bodies
                )
            gone = [_named(number, letter) for number, letter in enumerate(batch)]
            self._ask("does not let letters go", queue, "delete_message_batch", QueueUrl=self._url(queue), Entries=gone)
            count += len(batch)
        return count

    def _held(self, queue: str, at_most: int) -> Iterator[list[dict[str, Any]]]:
        """Up to `at_most`, a few at a time; nobody else gets them for a minute."""
        while at_most > 0:
            answer = self._ask(
                "gives no letters",
                queue,
                "receive_message",
                QueueUrl=self._url(queue),
                MaxNumberOfMessages=min(BATCH, at_most),
                VisibilityTimeout=HELD_SECONDS,
                WaitTimeSeconds=1,  # asks all of SQS's servers, not some
                MessageAttributeNames=["All"],
            )
            if not (found := answer.get("Messages", [])):
                return
            yield found
            at_most -= len(found)

    def _depth(self, queue: str) -> int:
        attribute = "ApproximateNumberOfMessages"
        answer = self._ask(
            "does not say how many letters it has",
            queue,
            "get_queue_attributes",
            QueueUrl=self._url(queue),
            AttributeNames=[attribute],
        )
        return int(answer["Attributes"][attribute])

    def _url(self, queue: str) -> str:
        return f"{self._url_prefix}{queue if queue == FAILED_RUNS else f'{queue}-failed'}"

    def _ask(self, trouble: str, queue: str, verb: str, **said: Any) -> Mapping[str, Any]:
        """Raises UnavailableError, also for a part of a batch."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer: Mapping[str, Any] = getattr(self._client, verb)(**said)
        except (BotoCoreError, ClientError) as exc:
            raise UnavailableError(f"the queue {queue} {trouble}: {exc}") from exc
        if failed := answer.get("Failed"):
            raise UnavailableError(f"the queue {queue} {trouble}: {failed[0].get('Message') or failed[0].get('Code')}")
        return answer


def _refuse_runs(queue: str) -> None:
    if queue == FAILED_RUNS:
        raise InvalidError(
            "a failed run is not repeated: the next run of its schedule does what it did not",
            code="not_repeatable",
            hint="To have it run now: agnes admin run JOB. Then remove the letter.",
        )


def _letter(queue: str, file: Path) -> DeadLetter:
    body = file.read_text()
    if queue != FAILED_RUNS:
        return DeadLetter(file.name.partition(".")[0], body, "")
    run = json.loads(body)
    return DeadLetter(file.stem, json.dumps({"job": run["job"], "event": run["event"]}), run["reason"])


def _run(letter: Mapping[str, Any]) -> DeadLetter:
    """A failed run: as Lambda tells of a function that failed, or as the scheduler does of one that it could not reach."""
    attributes = {name: value.get("StringValue", "") for name, value in letter.get("MessageAttributes", {}).items()}
    try:
        said = msgspec.json.decode(letter["Body"])
        function = said["requestContext"]["functionArn"].rpartition("function:")[2]
        answered = said.get("responsePayload") or {}
        reason = f"{function}: {answered.get('errorMessage') or said['requestContext'].get('condition', '')}"
        return DeadLetter(letter["MessageId"], json.dumps(said.get("requestPayload")), reason)
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        return DeadLetter(letter["MessageId"], letter["Body"], attributes.get("ERROR_MESSAGE", ""))


def _named(number: int, letter: Mapping[str, Any]) -> dict[str, str]:
    return {"Id": str(number), "ReceiptHandle": letter["ReceiptHandle"]}


def _in_tens(letters: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    rest = iter(letters)
    while some := list(islice(rest, BATCH)):
        yield some
