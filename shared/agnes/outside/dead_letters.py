"""Dead letters, counted: in the folders of one machine, or in SQS."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from agnes.kernel.errors import UnavailableError

FAILED_RUNS = "failed-runs"


class FolderDeadLetters:
    """`<data>/failed-runs/`, where the local scheduler keeps them, and `<data>/queues/<queue>/failed/`."""

    def __init__(self, data_dir: Path | str) -> None:
        self._data_dir = Path(data_dir)

    def count(self, queues: Iterable[str]) -> dict[str, int]:
        folders = {FAILED_RUNS: self._data_dir / FAILED_RUNS}
        folders |= {queue: self._data_dir / "queues" / queue / "failed" for queue in queues}
        return {name: _files(folder) for name, folder in folders.items()}


class SqsDeadLetters:
    """`url_prefix` and a queue's name make its URL, as in `SqsQueue`; dead letters are in `<queue>-failed`."""

    def __init__(self, *, url_prefix: str, client: Any = None) -> None:
        import boto3

        self._url_prefix = url_prefix
        self._client = client or boto3.client("sqs")

    def count(self, queues: Iterable[str]) -> dict[str, int]:
        names = {FAILED_RUNS: FAILED_RUNS} | {queue: f"{queue}-failed" for queue in queues}
        return {name: self._depth(queue) for name, queue in names.items()}

    def _depth(self, queue: str) -> int:
        from botocore.exceptions import BotoCoreError, ClientError

        attribute = "ApproximateNumberOfMessages"
        try:
            answer = self._client.get_queue_attributes(
                QueueUrl=f"{self._url_prefix}{queue}", AttributeNames=[attribute]
            )
        except (BotoCoreError, ClientError) as exc:
            raise UnavailableError(f"the queue {queue} does not say how many messages it has") from exc
        return int(answer["Attributes"][attribute])


def _files(folder: Path) -> int:
    try:
        return sum(1 for _ in folder.iterdir())
    except FileNotFoundError:
        return 0
