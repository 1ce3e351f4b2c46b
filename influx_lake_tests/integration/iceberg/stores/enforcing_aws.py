"""Glue and S3 by moto, which lets an identity do what its policy allows and refuses the rest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import requests

from testbed.aws import empty_aws

REGION = "eu-central-1"
BUCKET = "lake"


@dataclass(frozen=True)
class EnforcingAws:
    """A server, and the identity that a lake has there.

    Attributes:
        url: Where it is.
        key: The identity's access key.
        secret: Its secret.
    """

    url: str
    key: str
    secret: str

    def properties(self) -> dict[str, str]:
        """pyiceberg's properties of the catalog and the store."""
        return {
            "type": "glue",
            "warehouse": f"s3://{BUCKET}/warehouse",
            "glue.endpoint": self.url,
            "glue.region": REGION,
            "glue.access-key-id": self.key,
            "glue.secret-access-key": self.secret,
            "s3.endpoint": self.url,
            "s3.region": REGION,
            "s3.access-key-id": self.key,
            "s3.secret-access-key": self.secret,
        }

    def allow(self, policy: dict[str, Any]) -> None:
        """Let the identity do what a policy allows, and nothing else."""
        with self._open():
            self.client("iam").put_user_policy(UserName="lake", PolicyName="lake", PolicyDocument=json.dumps(policy))

    def drop_databases(self) -> None:
        """Forget what is in the catalog."""
        with self._open():
            glue = self.client("glue")
            for database in glue.get_databases()["DatabaseList"]:
                glue.delete_database(Name=database["Name"])

    def client(self, service: str) -> Any:
        """A client of who may do everything, as long as nothing is enforced."""
        return boto3.client(
            service, endpoint_url=self.url, region_name=REGION, aws_access_key_id="a", aws_secret_access_key="b"
        )

    @contextmanager
    def _open(self) -> Iterator[None]:
        _enforce_after(self.url, float("inf"))
        try:
            yield
        finally:
            _enforce_after(self.url, 0)


@contextmanager
def enforcing_aws() -> Iterator[EnforcingAws]:
    """Start a server with a bucket and an identity that may do nothing yet."""
    with empty_aws() as url:
        try:
            nobody = EnforcingAws(url, "", "")
            nobody.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
            iam = nobody.client("iam")
            iam.create_user(UserName="lake")
            key = iam.create_access_key(UserName="lake")["AccessKey"]
            _enforce_after(url, 0)
            yield EnforcingAws(url, key["AccessKeyId"], key["SecretAccessKey"])
        finally:
            _enforce_after(url, float("inf"))


def _enforce_after(url: str, count: float) -> None:
    requests.post(f"{url}/moto-api/reset-auth", data=str(count).encode(), timeout=10).raise_for_status()
