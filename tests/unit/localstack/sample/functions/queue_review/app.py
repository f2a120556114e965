import os

import boto3


def run(event, _context):
    for record in event["Records"]:
        body = record["body"].encode()
        boto3.client("s3").put_object(Bucket=os.environ["BUCKET"], Key=f"reviews/{record['messageId']}", Body=body)
