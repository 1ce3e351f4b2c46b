"""Errors of catalogs with clients of their own: AWS (botocore), Hive Metastores (thrift)."""

from __future__ import annotations

from influx_lake.errors import CatalogRefused, ConfigurationError, LakeError
from influx_lake.iceberg.failures.catalog_messages import BUSY, NO_ENTRY, NO_RIGHT, UNREACHABLE, Meaning, first, of_tls
from influx_lake.iceberg.failures.exceptions import class_names, packages

_CLASSES_AND_CODES = (
    (
        {
            # botocore's classes
            "CredentialRetrievalError",
            "NoCredentialsError",
            "PartialCredentialsError",
            "ProfileNotFound",
            # AWS's codes
            "ExpiredToken",
            "ExpiredTokenException",
            "InvalidClientTokenId",
            "InvalidSignatureException",
            "SignatureDoesNotMatch",
            "UnrecognizedClientException",
        },
        NO_ENTRY,
    ),
    ({"AccessDenied", "AccessDeniedException"}, NO_RIGHT),
    (
        {"NoRegionError", "InvalidRegionError"},
        Meaning(
            ConfigurationError,
            "no AWS region is named",
            "Set `client.region` under `catalog:` in lake.yaml, or AWS_DEFAULT_REGION in the environment",
        ),
    ),
    (
        {
            "ConcurrentModificationException",
            "ConcurrentRunsExceededException",
            "InternalFailure",
            "InternalServiceException",
            "RequestLimitExceeded",
            "ResourceNotReadyException",
            "ServiceUnavailable",
            "Throttling",
            "ThrottlingException",
            "TooManyRequestsException",
        },
        BUSY,
    ),
    ({"ConnectionError", "HTTPClientError", "TTransportException"}, UNREACHABLE),
    ({"BotoCoreError", "ClientError"}, Meaning(CatalogRefused, "AWS refused")),
    ({"TException"}, Meaning(CatalogRefused, "the Hive Metastore refused")),
)
_HIVE_TYPE = Meaning(
    CatalogRefused,
    "Hive 2 has no type for times with a zone",
    "Set `hive.hive2-compatible: true` under `catalog:` in lake.yaml",
)


def service_error(error: BaseException, doing: str) -> LakeError | None:
    """Translate an error of botocore or thrift; None for other errors."""
    names = class_names(error)
    if is_hive_type_unknown(error):
        return _HIVE_TYPE.of(error, doing)
    # aiohttp, which fsspec uses to read stores, has a ClientError of its own.
    if not names & {"BotoCoreError", "ClientError", "TException"} or "aiohttp" in packages(error):
        return None
    code = str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))
    meaning = of_tls(error) if "SSLError" in names else first({*names, code}, _CLASSES_AND_CODES)
    return meaning.of(error, doing) if meaning else None


def is_hive_type_unknown(error: BaseException) -> bool:
    """Whether a Hive Metastore does not know a type: Hive 2 has none for times with a zone."""
    return type(error).__name__ == "MetaException" and "type expected at the position" in str(error)
