"""Errors of the stores of tables' files: local disks, S3, GCS, Azure, by pyarrow and fsspec."""

from __future__ import annotations

import errno
import re

from influx_lake.errors import ConfigurationError, LakeError, StorageError, StorageUnavailable
from influx_lake.iceberg.failures.exceptions import RaisedBy, class_names, packages, raised_by, text_of

_BY_NUMBER = {
    errno.ENOSPC: "Free space where the warehouse is, then run the window again; the table is unchanged",
    errno.EDQUOT: "Free space where the warehouse is, or have its quota raised, then run the window again; the table "
    "is unchanged",
    errno.EFBIG: "Raise the limit on the size of files (`ulimit -f`, or the file system's), or lower "
    "write.target_file_size",
    errno.EMFILE: "Raise the limit of open files (`ulimit -n`)",
    errno.ENFILE: "Raise the system's limit of open files",
    errno.EACCES: "Give this process write access to the warehouse",
    errno.EPERM: "Give this process write access to the warehouse",
    errno.EROFS: "Give this process write access to the warehouse",
    errno.ENAMETOOLONG: "Shorten `warehouse`, `namespace` or the table's name: the path of a file is too long",
    errno.ENOTDIR: "Correct `warehouse` under `catalog:` in lake.yaml: a file is where a folder should be",
    errno.EEXIST: "Correct `warehouse` under `catalog:` in lake.yaml: a file is where a folder should be",
    errno.EIO: "Check that disk: the operating system reports that it fails",
}
_CREDENTIALS = "Check the store's credentials under `catalog:` in lake.yaml (s3.*, gcs.*, adls.*, or the environment's)"
_GOOGLE_CREDENTIALS = (
    "Name the file of a service account in GOOGLE_APPLICATION_CREDENTIALS, log in (gcloud auth application-default "
    "login), or set `gcs.oauth2.token` and `gcs.oauth2.token-expires-at` under `catalog:` in lake.yaml"
)
_NOBODY_TO_GOOGLE = "Could not create a OAuth2 access token"
_TLS = (
    "Check the TLS of `s3.endpoint`: its certificate has to be trusted and for that host; http:// where the server has "
    "none"
)
_NO_TLS = re.compile(r"curlCode: (51|58|60|77)\b|curlCode: 35\b.*SSL routines")
_BY_TEXT = (
    (r"No space left|Disk quota exceeded", _BY_NUMBER[errno.ENOSPC]),
    (r"NO_SUCH_BUCKET|bucket does not exist|NoSuchBucket", "Create the bucket, or correct `warehouse`"),
    (r"ContainerNotFound|container does not exist", "Create the container, or correct `warehouse`"),
    (
        r"INVALID_ACCESS_KEY_ID|SIGNATURE_DOES_NOT_MATCH|INVALID_SIGNATURE|EXPIRED_TOKEN|INVALID_CLIENT_TOKEN_ID|"
        r"UNRECOGNIZED_CLIENT|ExpiredToken|UNAUTHENTICATED|AuthenticationFailed|InvalidAccessKeyId|"
        r"SignatureDoesNotMatch|AuthenticationError|failed to retrieve a token|(?i:access key id)|Invalid base64",
        _CREDENTIALS,
    ),
    (
        r"ACCESS_DENIED|AccessDenied|PERMISSION_DENIED|AuthorizationFailure|\[code 15\]|access denied|HTTP status 403",
        "Check the store's credentials under `catalog:` in lake.yaml, and that they may read, write and delete "
        "below `warehouse`",
    ),
    (
        r"HTTP status 301|PermanentRedirect|AuthorizationHeaderMalformed",
        "Set `s3.region` under `catalog:` in lake.yaml to the bucket's region",
    ),
    (
        r"certificate",
        _TLS,
    ),
    (
        r"libjvm|libhdfs",
        "Install Java and Hadoop's client, and set JAVA_HOME and HADOOP_HOME (pyarrow's HDFS needs it)",
    ),
)
_PASSING = re.compile(
    r"SLOW_DOWN|SlowDown|REQUEST_TIMEOUT|NETWORK_CONNECTION|SERVICE_UNAVAILABLE|INTERNAL_FAILURE|UNAVAILABLE:|"
    r"DEADLINE_EXCEEDED|HTTP status 50[0234]"
)
_NOT_FOUND = re.compile(r"Cannot open file, does not exist|Failed to open local file|Path does not exist|NO_SUCH_KEY")
_SCHEME = re.compile(r"Unrecognized filesystem type in URI: (\S+)|No registered filesystem for scheme: (\S+)")
_GCS_EXPIRY = "access_token and credential_token_expiration must be specified together"


def store_error(error: BaseException, doing: str) -> LakeError | None:
    """Translate an error of a store; None for other errors."""
    if (of_fsspec := _of_fsspec(error, doing)) is not None:
        return of_fsspec
    if isinstance(error, OSError):
        return _of_os(error, doing)
    names = class_names(error)
    if names & {"ServiceRequestError", "ServiceResponseError"}:
        return _unavailable(error, doing)
    if "AzureError" in names:
        return StorageError(f"could not {doing}: {text_of(error)}", remedy=_remedy(error))
    return _of_settings(error, doing) if isinstance(error, ValueError) else None


def _of_fsspec(error: BaseException, doing: str) -> LakeError | None:
    raised_in = packages(error)
    if "aiohttp" in raised_in:
        return _unavailable(error, doing)
    if "google" in raised_in and raised_by(error) is not RaisedBy.CATALOG:
        return _without_google(error, doing)
    if "gcsfs" in raised_in:
        return StorageError(f"could not {doing}: {text_of(error)}", remedy=_remedy(error))
    return None


def _of_os(error: OSError, doing: str) -> LakeError:
    text = str(error)
    if isinstance(error, FileNotFoundError) or _NOT_FOUND.search(text):
        return StorageError(f"could not {doing}: {text_of(error)}", remedy=_not_found_remedy(text))
    if _NOBODY_TO_GOOGLE in text:
        return _without_google(error, doing)
    if _NO_TLS.search(text):
        return StorageError(
            f"could not {doing}: no trusted TLS connection to the store ({text_of(error)})", remedy=_TLS
        )
    if _PASSING.search(text) or isinstance(error, ConnectionError | TimeoutError):
        return _unavailable(error, doing)
    return StorageError(f"could not {doing}: {text_of(error)}", remedy=_remedy(error))


def _without_google(error: BaseException, doing: str) -> LakeError:
    return StorageError(
        f"could not {doing}: there are no credentials for Google Cloud Storage that work ({text_of(error)})",
        remedy=_GOOGLE_CREDENTIALS,
    )


def _unavailable(error: BaseException, doing: str) -> LakeError:
    return StorageUnavailable(
        f"could not {doing}: the store does not answer as it should ({text_of(error)})",
        remedy="Check that the store runs and that `warehouse` and the endpoint under `catalog:` are its own",
    )


def _remedy(error: BaseException) -> str | None:
    number = getattr(error, "errno", None)
    if number in _BY_NUMBER:
        return _BY_NUMBER[number]
    return next((remedy for pattern, remedy in _BY_TEXT if re.search(pattern, str(error))), None)


def _not_found_remedy(text: str) -> str:
    if "Cannot create directory" in text:
        return "Correct `warehouse` under `catalog:` in lake.yaml: this folder cannot be made"
    if re.search(r"bucket '|s3://|gs://|abfss?://", text):
        return (
            "The table's metadata names this file, and the store does not have it: put it back, or roll the table back "
            "to a snapshot from before"
        )
    return (
        "The table's metadata names its files by absolute paths. Where the lake's folder was moved, move it back or "
        "link its former place to the new one (ln -s NEW FORMER); else put the file back"
    )


def _of_settings(error: BaseException, doing: str) -> LakeError | None:
    """Translate pyiceberg's refusal of a catalog's properties when it opens the first file."""
    text = str(error)
    if scheme := _SCHEME.search(text):
        return ConfigurationError(
            f"could not {doing}: files cannot be stored at {scheme[1] or scheme[2]}:// addresses",
            remedy="Set `warehouse` under `catalog:` in lake.yaml to a folder, or to an address of s3://, gs:// or "
            "abfs://",
        )
    if _GCS_EXPIRY in text:
        return ConfigurationError(
            f"could not {doing}: `gcs.oauth2.token` is set without its expiry",
            remedy="Set `gcs.oauth2.token-expires-at` under `catalog:` in lake.yaml: milliseconds since 1970",
        )
    if "No default path is set" in text:
        return ConfigurationError(
            f"could not {doing}: the catalog has no `warehouse`, and none is set for the namespace",
            remedy="Set `warehouse` under `catalog:` in lake.yaml",
        )
    # A string that is not UTF-8 comes from the rows, not from the store.
    if raised_by(error) is RaisedBy.STORE and not isinstance(error, UnicodeError):
        return StorageError(f"could not {doing}: the store's settings or path do not work ({text_of(error)})")
    return None
