"""Settings that S3-compatible servers need of the S3 client."""

from __future__ import annotations

import os
from collections.abc import Mapping


def take_plain_uploads(properties: Mapping[str, object]) -> None:
    """Disable chunked uploads to an S3 server with an endpoint of its own.

    Servers that do not support aws-chunked uploads answer 411, or store the framing as data.
    """
    if "s3.endpoint" in properties:
        os.environ.setdefault("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
