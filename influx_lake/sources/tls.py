"""Checks the certificates of a source before libraries with less helpful messages use them."""

from __future__ import annotations

import ssl

from influx_lake.config import TlsConfig
from influx_lake.errors import ConfigurationError


def check_files(tls: TlsConfig) -> None:
    """Load the files with OpenSSL first: gRPC reports a bad file as an empty list of addresses.

    Raises:
        ConfigurationError: A certificate's file cannot be used.
    """
    for name, file in (("ca_file", tls.ca_file), ("cert_file", tls.cert_file), ("key_file", tls.key_file)):
        if file is not None and not file.is_file():
            raise ConfigurationError(f"tls.{name}: the file {file} does not exist", remedy="Correct the path")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if tls.ca_file:
            context.load_verify_locations(tls.ca_file)
        if tls.cert_file:
            context.load_cert_chain(tls.cert_file, tls.key_file, password=_no_password)
    except OSError as error:
        names = ", ".join(str(file) for file in (tls.ca_file, tls.cert_file, tls.key_file) if file)
        raise ConfigurationError(
            f"tls: {names} cannot be used: {error}",
            remedy="Give readable PEM files, and the certificate's own key without a password",
        ) from error


def _no_password() -> str:
    """Keeps OpenSSL from asking for a password on the terminal."""
    return ""
