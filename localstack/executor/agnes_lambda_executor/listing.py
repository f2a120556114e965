"""Makes ListObjectsV2 compare keys as they are; LocalStack 4.12 compares them as they are written in the answer.

boto3 always asks for `encoding-type=url`. LocalStack then compares `day%3D1/x` with a StartAfter, and with the
key that a continuation token holds, of `day=1/x`: every key behind it is passed over, so a listing after a key
with `=`, and each page but the first of a longer one, is empty. S3, MinIO and moto encode the answer only.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
"""

from __future__ import annotations

import functools
from typing import Any
from urllib.parse import quote

from localstack.runtime import hooks


@hooks.on_infra_start()
def compare_keys_as_they_are() -> None:
    from localstack.services.s3.provider import S3Provider

    lists = S3Provider.list_objects_v2

    @functools.wraps(lists)
    def list_objects_v2(self: Any, context: Any, *args: Any, encoding_type: str | None = None, **asked: Any) -> Any:
        page = lists(self, context, *args, **asked)
        return encoded(page) if encoding_type else page

    S3Provider.list_objects_v2 = list_objects_v2


def encoded(page: Any) -> Any:
    """A page of plain keys, as `encoding-type=url` has it."""
    lines = [(page, name) for name in ("Prefix", "Delimiter", "StartAfter")]
    lines += [(line, "Key") for line in page.get("Contents", ())]
    lines += [(line, "Prefix") for line in page.get("CommonPrefixes", ())]
    for line, name in lines:
        if line.get(name):
            line[name] = quote(line[name])
    page["EncodingType"] = "url"
    return page
