#!/usr/bin/env bash
# pyarrow 26.0.1: GcsFileSystem.get_file_info(FileSelector(folder, recursive=False)) lists the files of a folder and none of its
# folders, although Google's storage tells them: the answer to `delimiter=/` has them as `prefixes`, which Arrow leaves out. Only
# a folder that somebody made an object for (its name and a slash) is listed. Each folder by itself is known to be one, and
# recursive=True lists the files in it; with S3 (its CommonPrefixes) and Azure the folders are there. So what walks a tree level
# by level, as `os.walk` does, finds nothing in a bucket that Arrow itself wrote, and says no error.
#
# Seen, of a bucket with a/d.txt and a/b/c.txt:
#   FileSelector("lake/a", recursive=False)   ['lake/a/d.txt']
#   FileSelector("lake/a", recursive=True)    ['lake/a/b/c.txt', 'lake/a/d.txt']
#   FileSelector("lake", recursive=False)     []
#   get_file_info("lake/a/b").type            Directory
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyarrow==26.0.1
timeout 120 "$folder/venv/bin/python" - <<'PYTHON'
import json
import subprocess
import sys
import textwrap
from datetime import datetime, timedelta

import pyarrow
from pyarrow.fs import FileSelector, FileType, GcsFileSystem

assert pyarrow.__version__ == "26.0.1"
# The list of objects as the JSON API has it, prefixes included; in a process of its own.
SERVER = textwrap.dedent('''
    import json
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from urllib.parse import parse_qs, urlsplit

    NAMES = ["a/b/c.txt", "a/d.txt"]


    class Storage(BaseHTTPRequestHandler):
        def do_GET(self):
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            status, answer = 404, {"error": {"code": 404, "message": "Not Found"}}
            if parts.path == "/storage/v1/b/lake":
                status, answer = 200, {"kind": "storage#bucket", "name": "lake", "id": "lake"}
            elif parts.path == "/storage/v1/b/lake/o":
                status, (prefix, delimiter) = 200, (query.get("prefix", ""), query.get("delimiter", ""))
                items, prefixes = [], set()
                for name in NAMES:
                    below = name[len(prefix):]
                    if name.startswith(prefix) and delimiter and delimiter in below:
                        prefixes.add(prefix + below.split(delimiter)[0] + delimiter)
                    elif name.startswith(prefix):
                        items.append({"kind": "storage#object", "name": name, "bucket": "lake", "size": "1"})
                answer = {"kind": "storage#objects", "items": items, "prefixes": sorted(prefixes)}
                print(json.dumps([delimiter, answer["prefixes"]]), flush=True)
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass


    server = HTTPServer(("127.0.0.1", 0), Storage)
    print(server.server_port, flush=True)
    server.serve_forever()
''')
with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True) as server:
    try:
        store = GcsFileSystem(
            access_token="any",
            credential_token_expiration=datetime(2090, 1, 1),
            endpoint_override=f"127.0.0.1:{int(server.stdout.readline())}",
            scheme="http",
            retry_time_limit=timedelta(seconds=5),
        )

        def listed(folder, recursive):
            return [each.path for each in store.get_file_info(FileSelector(folder, recursive=recursive))]

        flat = listed("lake/a", False)
        told = json.loads(server.stdout.readline())
        print("flat:", flat, "told:", told)
        assert told == ["/", ["a/b/"]]
        assert flat == ["lake/a/d.txt"]
        assert sorted(listed("lake/a", True)) == ["lake/a/b/c.txt", "lake/a/d.txt"]
        assert listed("lake", False) == []
        assert store.get_file_info("lake/a/b").type is FileType.Directory
    finally:
        server.kill()
PYTHON
echo "Arrow lists no folders of Google's storage"
