"""An S3 server, and the environment that a platform gives to a function."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

_spec = importlib.util.spec_from_file_location(
    "s3_of_handlers", Path(__file__).parents[1] / "store/conftest.py"
)
assert _spec is not None
assert _spec.loader is not None
storage = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(storage)

s3_server = storage.s3_server
s3_shared = storage.s3_shared
BUCKET = "shared"


class Objects:
    """The bucket, by a client that is not ours."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def put(self, key: str, body: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=key, Body=body)

    def get(self, key: str) -> bytes:
        return bytes(self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read())

    def keys(self, prefix: str) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2")
        return [
            entry["Key"]
            for page in pages.paginate(Bucket=BUCKET, Prefix=prefix)
            for entry in page.get("Contents", ())
        ]


@pytest.fixture(scope="session")
def objects(s3_server: str, s3_shared: str) -> Iterator[Objects]:
    client = boto3.client(
        "s3",
        endpoint_url=s3_server,
        region_name="us-east-1",
        aws_access_key_id=storage.KEY,
        aws_secret_access_key=storage.SECRET,
    )
    yield Objects(client)
    client.close()


@pytest.fixture
def prefix(tmp_path: Path) -> str:
    """Of the test's own."""
    return tmp_path.name


@pytest.fixture
def environment(s3_server: str, objects: Objects, prefix: str) -> dict[str, str]:
    """The function's configuration."""
    return {
        "AWS_ACCESS_KEY_ID": storage.KEY,
        "AWS_SECRET_ACCESS_KEY": storage.SECRET,
        "TRANSCODE_S3_ENDPOINT_URL": s3_server,
        "TRANSCODE_S3_REGION": "us-east-1",
        "TRANSCODE_S3_PATH_STYLE": "1",
        "TRANSCODE_TO": f"s3://{BUCKET}/{prefix}/out",
        "TRANSCODE_SOURCES": f"s3://{BUCKET}/{prefix}/in/",
        "TRANSCODE_PROFILE": "preview",
        "TRANSCODE_SUFFIXES": ".mp4 .mov",
    }


@pytest.fixture
def free_port() -> int:
    return int(storage._free_port())
