"""What servers of S3 that are not AWS need of its client."""

from __future__ import annotations

import os
from collections.abc import Mapping


def take_plain_uploads(properties: Mapping[str, object]) -> None:
    """Have files uploaded as they are to a server of S3 that is named by its address.

    Those that do not know aws-chunked uploads answer 411, or store the framing as data.
    """
    if "s3.endpoint" in properties:
        os.environ.setdefault("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
