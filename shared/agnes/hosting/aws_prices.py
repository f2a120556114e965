"""AWS's list prices in us-east-1, in US dollars, without taxes, discounts and free allowances.

Each was looked up on DATE in a stored copy of the page that is named beside it; where the page builds its table by script, a
second source that repeats the table is named as well. Only the first tier of each price is here: the next one begins at
300 million requests or 10 TB a month.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DATE = "2026-11-30"
REGION = "us-east-1"

Architecture = Literal["arm64", "x86_64"]
ApiKind = Literal["rest", "http"]


@dataclass(frozen=True, slots=True)
class Price:
    dollars: float
    per: float
    """Units that cost `dollars`."""
    unit: str
    source: str

    def of(self, units: float) -> float:
        """Dollars for so many units."""
        return units * self.dollars / self.per


_MILLION = 1e6
_GB = 1e9
_GIB = 2.0**30

API_REQUEST: dict[ApiKind, Price] = {
    "rest": Price(
        3.50, _MILLION, "requests", "aws.amazon.com/api-gateway/pricing; AWS whitepaper Private APIs, table 4"
    ),
    "http": Price(
        1.00,
        _MILLION,
        "requests, each started 512 KB one",
        "aws.amazon.com/api-gateway/pricing; AWS whitepaper Private APIs, table 4",
    ),
}
HTTP_API_METERED_BYTES = 512 * 1024

LAMBDA_REQUEST = Price(0.20, _MILLION, "requests", "aws.amazon.com/lambda/pricing")
LAMBDA_SECOND: dict[Architecture, Price] = {
    "arm64": Price(
        0.0000133334, 1, "GB-seconds", "aws.amazon.com/lambda/pricing; cloudchipr.com/blog/aws-lambda-pricing"
    ),
    "x86_64": Price(
        0.0000166667, 1, "GB-seconds", "aws.amazon.com/lambda/pricing; cloudchipr.com/blog/aws-lambda-pricing"
    ),
}
"""Of the configured memory, for each started millisecond, the initialisation of an environment included."""
LAMBDA_STORAGE = Price(
    0.0000000309, 1, "GB-seconds of /tmp beyond 512 MB", "aws.amazon.com/lambda/pricing (ephemeral storage)"
)
SNAPSTART_CACHE = Price(0.0000015046, 1, "GB-seconds", "aws.amazon.com/lambda/pricing (SnapStart)")
SNAPSTART_RESTORE = Price(0.0001397998, 1, "GB restored", "aws.amazon.com/lambda/pricing (SnapStart)")

S3_GET = Price(0.0004, 1000, "requests", "aws.amazon.com/s3/pricing (GET, SELECT and all other requests)")
S3_PUT = Price(0.005, 1000, "requests", "aws.amazon.com/s3/pricing (PUT, COPY, POST, LIST)")
S3_STORAGE = Price(0.023, _GIB, "bytes a month", "aws.amazon.com/s3/pricing (Standard, first 50 TB)")

SQS_REQUEST = Price(0.40, _MILLION, "requests", "aws.amazon.com/sqs/pricing (standard queues)")
SCHEDULER = Price(1.00, _MILLION, "invocations", "aws.amazon.com/eventbridge/pricing (Scheduler)")
SECRET = Price(0.40, 1, "secrets a month", "aws.amazon.com/secrets-manager/pricing")
SECRET_REQUEST = Price(0.05, 10_000, "requests", "aws.amazon.com/secrets-manager/pricing")
ALARM = Price(0.10, 1, "alarms a month", "aws.amazon.com/cloudwatch/pricing (standard resolution)")
LOGS = Price(0.50, _GB, "bytes", "aws.amazon.com/cloudwatch/pricing (ingestion)")
LOGS_STORED = Price(0.03, _GB, "bytes a month", "aws.amazon.com/cloudwatch/pricing (storage)")
TRANSFER = Price(
    0.09, _GB, "bytes out to the internet", "aws.amazon.com/ec2/pricing/on-demand (data transfer, first 10 TB)"
)
TRACE = Price(5.00, _MILLION, "traces", "aws.amazon.com/xray/pricing")

IDLE_POLLERS = 2
IDLE_POLLERS_WITH_MAXIMUM_CONCURRENCY = 5
"""Receive requests that Lambda keeps open on a queue with nothing in it. It starts with five, and with little traffic goes
down to as few as two, unless MaximumConcurrency is set (docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html)."""
LONG_POLL_SECONDS = 20
"""How long SQS keeps one of them open."""
