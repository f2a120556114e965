"""What a template names on this disk is uploaded and named there, the same bytes under the same key."""

import io
import json
import os
import time
import zipfile

import boto3
import pytest
from moto import mock_aws

from agnes_local.sam_package import Packager, TemplateRefused, load_template, zip_folder

pytestmark = pytest.mark.slow


@pytest.fixture
def s3(monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
        client.create_bucket(Bucket="artifacts")
        yield client


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_a_zip_depends_on_names_and_contents_only(tmp_path):
    write(tmp_path / "one", {"b.py": "2", "a/x.py": "1"})
    time.sleep(0.01)
    write(tmp_path / "two", {"a/x.py": "1", "b.py": "2", "a/__pycache__/x.pyc": "compiled"})
    os.utime(tmp_path / "two/b.py", (0, 0))
    assert zip_folder(tmp_path / "one") == zip_folder(tmp_path / "two")
    assert zip_folder(tmp_path / "one") != zip_folder(tmp_path / "two", compiled=True), "a layer is built with it"
    (tmp_path / "two/b.py").write_text("3")
    assert zip_folder(tmp_path / "one") != zip_folder(tmp_path / "two")


def test_a_zip_keeps_the_executable_bit(tmp_path):
    write(tmp_path, {"run": "#!/bin/sh\n", "note": "x"})
    (tmp_path / "run").chmod(0o700)
    with zipfile.ZipFile(io.BytesIO(zip_folder(tmp_path))) as bundle:
        modes = {member.filename: member.external_attr >> 16 for member in bundle.infolist()}
    assert modes == {"run": 0o755, "note": 0o644}


@pytest.mark.parametrize(
    ("short", "long"),
    [
        pytest.param("!Ref A", {"Ref": "A"}, id="ref"),
        pytest.param("!GetAtt A.Outputs.B", {"Fn::GetAtt": ["A", "Outputs.B"]}, id="getatt"),
        pytest.param("!GetAtt [A, B]", {"Fn::GetAtt": ["A", "B"]}, id="getatt-list"),
        pytest.param("!Sub ${A}-b", {"Fn::Sub": "${A}-b"}, id="sub"),
        pytest.param("!Sub ['${A}', {A: !Ref B}]", {"Fn::Sub": ["${A}", {"A": {"Ref": "B"}}]}, id="nested"),
        pytest.param("!Condition A", {"Condition": "A"}, id="condition"),
        pytest.param("!If [A, 1, !Ref 'AWS::NoValue']", {"Fn::If": ["A", 1, {"Ref": "AWS::NoValue"}]}, id="if"),
        pytest.param("2012-10-17", "2012-10-17", id="date-stays-text"),
    ],
)
def test_short_forms_become_long_ones(tmp_path, short, long):
    write(tmp_path, {"t.yaml": f"Resources:\n  X:\n    Type: T\n    Properties:\n      P: {short}\n"})
    assert load_template(tmp_path / "t.yaml")["Resources"]["X"]["Properties"]["P"] == long


def test_nested_templates_code_and_layers_are_uploaded_once(tmp_path, s3):
    nested = """
Globals: {Function: {CodeUri: code}}
Resources:
  A: {Type: 'AWS::Serverless::Function', Properties: {Handler: app.app}}
  B: {Type: 'AWS::Lambda::Function', Properties: {Code: code}}
  L: {Type: 'AWS::Serverless::LayerVersion', Properties: {ContentUri: code}}
  Q: {Type: 'AWS::SQS::Queue'}
"""
    root = "Resources:\n  N: {Type: 'AWS::CloudFormation::Stack', Properties: {TemplateURL: nested.yaml}}\n"
    write(tmp_path, {"root.yaml": root, "nested.yaml": nested, "code/app.py": "app = 1"})
    packager = Packager(s3, "artifacts", "http://store/artifacts")
    url = packager.template_url(tmp_path / "root.yaml")

    def fetch(address):
        return json.load(s3.get_object(Bucket="artifacts", Key=address.removeprefix("http://store/artifacts/"))["Body"])

    inner = fetch(fetch(url)["Resources"]["N"]["Properties"]["TemplateURL"])
    code = inner["Globals"]["Function"]["CodeUri"]
    assert code["Bucket"] == "artifacts"
    assert inner["Resources"]["B"]["Properties"]["Code"] == {"S3Bucket": "artifacts", "S3Key": code["Key"]}
    assert inner["Resources"]["L"]["Properties"]["ContentUri"] == code
    assert s3.get_object(Bucket="artifacts", Key=code["Key"])["Body"].read() == zip_folder(tmp_path / "code")
    again = Packager(s3, "artifacts", "http://store/artifacts")
    assert again.template_url(tmp_path / "root.yaml") == url
    assert again.uploaded_bytes == 0


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        pytest.param({}, "No such file", id="missing"),
        pytest.param({"t.yaml": "a: [1"}, "while parsing", id="not-yaml"),
        pytest.param({"t.yaml": "a: 1"}, "no Resources", id="no-template"),
        pytest.param(
            {"t.yaml": "Resources: {F: {Type: 'AWS::Serverless::Function', Properties: {CodeUri: gone}}}"},
            r"F\.CodeUri names gone, which is no folder",
            id="unbuilt",
        ),
    ],
)
def test_a_template_that_cannot_be_packaged_is_named(tmp_path, s3, files, reason):
    write(tmp_path, files)
    with pytest.raises(TemplateRefused, match=rf"t\.yaml: (.|\n)*{reason}"):
        Packager(s3, "artifacts", "http://store/artifacts").template_url(tmp_path / "t.yaml")
