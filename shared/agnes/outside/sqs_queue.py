"""Queues in SQS. Consumers are functions with an SQS event source, so only sending is here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from operator import attrgetter
from typing import Any

import boto3
import msgspec
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from agnes.kernel.errors import UnavailableError
from agnes.kernel.ports import Message, retry_seconds

BATCH = 10
"""Messages of one call; SQS takes no more."""


class SqsQueue:
    """`url_prefix` and a queue's name make its URL."""

    def __init__(self, *, url_prefix: str, endpoint_url: str | None = None) -> None:
        self._url_prefix = url_prefix
        self._client: Any = boto3.client(
            "sqs", endpoint_url=endpoint_url, config=Config(retries={"mode": "standard", "total_max_attempts": 4})
        )

    def send(self, messages: Iterable[Message]) -> None:
        """Raises UnavailableError; some of the messages may have been sent then."""
        by_queue = sorted(messages, key=attrgetter("queue"))
        for queue, members in groupby(by_queue, key=attrgetter("queue")):
            waiting = list(members)
            for start in range(0, len(waiting), BATCH):
                self._send(queue, waiting[start : start + BATCH])

    def again(self, record: Mapping[str, Any]) -> None:
        queue = record["eventSourceARN"].rpartition(":")[2]
        later = int(retry_seconds(int(record["attributes"]["ApproximateReceiveCount"])))
        try:
            self._client.change_message_visibility(
                QueueUrl=f"{self._url_prefix.rpartition('/')[0]}/{queue}",
                ReceiptHandle=record["receiptHandle"],
                VisibilityTimeout=later,
            )
        except (BotoCoreError, ClientError) as exc:
            raise UnavailableError(f"the queue {queue} does not let a message come again sooner") from exc

    def _send(self, queue: str, batch: list[Message]) -> None:
        entries = [
            {"Id": str(number), "MessageBody": msgspec.json.encode(message.body).decode()}
            for number, message in enumerate(batch)
        ]
        try:
            answer = self._client.send_message_batch(QueueUrl=f"{self._url_prefix}{queue}", Entries=entries)
        except (BotoCoreError, ClientError) as exc:
            raise UnavailableError(f"the queue {queue} did not take {len(batch)} messages") from exc
        if failed := answer.get("Failed"):
            raise UnavailableError(f"the queue {queue} did not take {len(failed)} of {len(batch)} messages")
