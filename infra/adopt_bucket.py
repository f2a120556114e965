"""Prepare a bucket for a stack that does not make it: the parameter ExistingBucket of a deployment.

    python -m infra.adopt_bucket BUCKET

A bucket that a stack has left has all its settings still. One that was made by hand, to restore a backup into, gets those
of the template here: encryption, no public access, versions with a window of 30 days, expiry of what is short-lived.
"""

from __future__ import annotations

import sys
from typing import Any

import boto3
import yaml

from infra.discovery import ROOT


def settings() -> dict[str, Any]:
    """Properties of the bucket in the root template."""
    template = yaml.safe_load((ROOT / "infra" / "root.yaml").read_text())
    properties: dict[str, Any] = template["Resources"]["Bucket"]["Properties"]
    return properties


def adopt(bucket: str, s3: Any) -> None:
    """Raises botocore's ClientError for a bucket that is not there, or not ours to change."""
    wanted = settings()
    s3.head_bucket(Bucket=bucket)
    [encryption] = wanted["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    rule = {
        "ApplyServerSideEncryptionByDefault": encryption["ServerSideEncryptionByDefault"],
        "BucketKeyEnabled": encryption["BucketKeyEnabled"],
    }
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=wanted["PublicAccessBlockConfiguration"])
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=wanted["OwnershipControls"])
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=wanted["VersioningConfiguration"])
    rules = [lifecycle_rule(rule) for rule in wanted["LifecycleConfiguration"]["Rules"]]
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})


def lifecycle_rule(rule: dict[str, Any]) -> dict[str, Any]:
    """CloudFormation's words in those of S3's own API. Raises KeyError for one that is not known."""
    known = {"Id", "Status", "Prefix", "ExpirationInDays", "ExpiredObjectDeleteMarker"}
    same = {"NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload"}
    if unknown := rule.keys() - known - same:
        raise KeyError(f"no word of S3's API for {min(unknown)}")
    expiration = {}
    if "ExpirationInDays" in rule:
        expiration["Days"] = rule["ExpirationInDays"]
    if "ExpiredObjectDeleteMarker" in rule:
        expiration["ExpiredObjectDeleteMarker"] = rule["ExpiredObjectDeleteMarker"]
    return {
        "ID": rule["Id"],
        "Status": rule["Status"],
        "Filter": {"Prefix": rule.get("Prefix", "")},
        **({"Expiration": expiration} if expiration else {}),
        **{name: rule[name] for name in same & rule.keys()},
    }


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: python -m infra.adopt_bucket BUCKET", file=sys.stderr)
        return 2
    adopt(sys.argv[1], boto3.client("s3"))
    print(f"{sys.argv[1]} has the settings of the template. Deploy with PARAMETERS='ExistingBucket={sys.argv[1]}'.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
