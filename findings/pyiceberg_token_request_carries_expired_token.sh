#!/usr/bin/env bash
# pyiceberg 0.12.0: a REST catalog with `credential` asks for its first token without an Authorization header, and for each
# later one, when the catalog answered 401 to the token that expired, with `Authorization: Bearer <the expired token>` beside
# the client's id and secret in the form. A server of tokens that takes one way to authenticate at a time (RFC 6749, 2.3) or
# checks the header first refuses, so that loads longer than a token's life end with 401 though the credential is good.
#
# Seen, with a server that answers 401 to every token but the newest:
#   token request 1: no Authorization
#   token request 2 (the catalog's configuration was fetched, another session begins): no Authorization
#   token request 3 (after the 401): Bearer token-2, and client_secret in the form
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "pyiceberg==0.12.0"
"$folder/venv/bin/python" - <<'PYTHON'
import json
import threading
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pyiceberg
from pyiceberg.catalog import load_catalog

warnings.simplefilter("ignore")
assert pyiceberg.__version__ == "0.12.0"
tokens: list[tuple[str | None, str]] = []
expired: set[str] = set()


class Server(BaseHTTPRequestHandler):
    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        given = self.headers.get("Authorization")
        if self.path == "/tokens":
            tokens.append((given, parse_qs(body)["client_secret"][0]))
            status, told = 200, {"access_token": f"token-{len(tokens)}", "token_type": "bearer", "expires_in": 1}
        elif given is None or given.removeprefix("Bearer ") in expired:
            status, told = 401, {"error": {"message": "expired", "type": "NotAuthorizedException", "code": 401}}
        elif self.path.startswith("/v1/config"):
            status, told = 200, {"defaults": {}, "overrides": {}}
        else:
            status, told = 200, {"namespaces": []}
        encoded = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)

    do_GET = do_POST = answer

    def log_message(self, *_: object) -> None:
        pass


with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    uri = f"http://127.0.0.1:{server.server_port}"
    catalog = load_catalog(
        "c", type="rest", uri=uri, credential="client:secret", **{"oauth2-server-uri": f"{uri}/tokens"}
    )
    begun = len(tokens)
    expired.add(f"token-{begun}")
    assert catalog.list_namespaces() == []
    server.shutdown()
for number, (given, _) in enumerate(tokens, 1):
    print(f"token request {number}: {given or 'no Authorization'}")
assert [given for given, _ in tokens[:begun]] == [None] * begun
assert tokens[begun:] == [(f"Bearer token-{begun}", "secret")]
PYTHON
