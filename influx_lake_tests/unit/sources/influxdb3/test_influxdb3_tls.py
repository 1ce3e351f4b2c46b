"""Who the server is, and who we are, over TLS."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from influx_lake.config import TlsConfig
from influx_lake.errors import ConfigurationError, SourceUnavailable, TlsFailed
from influx_lake_tests.unit.sources.certificates import Certificate, make_certificate
from influx_lake_tests.unit.sources.scripted_server import TOKEN, ScriptedServer, failure_of, source_at


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("ours"), "localhost", "127.0.0.1")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("other"), "other.invalid")


@pytest.fixture
def secure(ours: Certificate) -> Iterator[ScriptedServer]:
    with ScriptedServer("grpc+tls://127.0.0.1:0", tls_certificates=[ours.pair]) as server:
        yield server


def test_a_trusted_certificate(secure: ScriptedServer, ours: Certificate) -> None:
    source = source_at(f"https://127.0.0.1:{secure.port}", tls=TlsConfig(ca_file=ours.cert_file))
    assert source.server().product == "InfluxDB 3"
    assert secure.headers[-1]["authorization"] == [f"Bearer {TOKEN}"]


def test_an_unknown_certificate(secure: ScriptedServer) -> None:
    error = failure_of(source_at(f"https://127.0.0.1:{secure.port}").server)
    assert type(error) is TlsFailed
    assert "tls.ca_file" in (error.remedy or "")
    assert not secure.tickets


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_an_unknown_certificate_that_is_not_checked(secure: ScriptedServer) -> None:
    source = source_at(f"https://127.0.0.1:{secure.port}", tls=TlsConfig(verify=False))
    assert source.server().product == "InfluxDB 3"


def test_a_certificate_of_another_name(other: Certificate) -> None:
    with ScriptedServer("grpc+tls://127.0.0.1:0", tls_certificates=[other.pair]) as server:
        source = source_at(f"https://127.0.0.1:{server.port}", tls=TlsConfig(ca_file=other.cert_file))
        assert type(failure_of(source.server)) is TlsFailed


def test_a_server_without_tls(server: ScriptedServer) -> None:
    error = failure_of(source_at(f"https://127.0.0.1:{server.port}").server)
    assert type(error) is TlsFailed
    assert "http://" in (error.remedy or "")


def test_a_server_with_tls_that_is_reached_without(secure: ScriptedServer) -> None:
    error = failure_of(source_at(f"http://127.0.0.1:{secure.port}").server)
    assert type(error) is SourceUnavailable
    assert "https://" in (error.remedy or "")


def test_a_server_that_wants_our_certificate(ours: Certificate, other: Certificate) -> None:
    wants = {"verify_client": True, "root_certificates": other.cert_file.read_bytes()}
    with ScriptedServer("grpc+tls://127.0.0.1:0", tls_certificates=[ours.pair], **wants) as server:
        host = f"https://127.0.0.1:{server.port}"
        failure_of(source_at(host, tls=TlsConfig(ca_file=ours.cert_file)).server)
        shown = TlsConfig(ca_file=ours.cert_file, cert_file=other.cert_file, key_file=other.key_file)
        assert source_at(host, tls=shown).server().product == "InfluxDB 3"


def test_files_that_hold_no_certificate(ours: Certificate, other: Certificate, tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nothing")
    for tls in (
        TlsConfig(ca_file=nonsense),
        TlsConfig(ca_file=tmp_path / "missing.pem"),
        TlsConfig(cert_file=ours.cert_file, key_file=other.key_file),
        TlsConfig(cert_file=ours.cert_file, key_file=nonsense),
    ):
        with pytest.raises(ConfigurationError, match="tls"):
            source_at("https://127.0.0.1:1", tls=tls).server()
