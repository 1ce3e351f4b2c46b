#!/usr/bin/env bash
# pyiceberg 0.12.0 with adlfs 2026.8.0: `adls.anon: "false"` makes the client of Azure's storage anonymous. pyiceberg hands the text on,
# and adlfs looks for credentials only where `anon is False`, which no text is; left out, it looks for them. Properties of a catalog are texts
# (also those of .pyiceberg.yaml and of environment variables), and other switches of pyiceberg (`s3.anonymous: "false"`) mean what they
# say. So who writes the default down asks without a name, and gets 401 or 403 (or 404) for a container that they may read.
#
# Seen, with `adls.account-name` alone and beside it:
#   nothing               credential: DefaultAzureCredential
#   adls.anon: "false"    credential: None
#   adls.anon: "true"     credential: None
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyiceberg==0.12.0 adlfs==2026.8.0
env -u AZURE_STORAGE_ANON -u AZURE_STORAGE_ACCOUNT_KEY -u AZURE_STORAGE_SAS_TOKEN -u AZURE_STORAGE_CONNECTION_STRING \
  timeout 120 "$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

from pyiceberg.io.fsspec import FsspecFileIO

assert (version("pyiceberg"), version("adlfs")) == ("0.12.0", "2026.8.0")


def credential(**anon):
    files = FsspecFileIO({"adls.account-name": "lake", **{f"adls.{name}": value for name, value in anon.items()}})
    return type(files.get_fs("abfss").credential).__name__


found = [credential(), credential(anon="false"), credential(anon="true")]
print(found)
assert found == ["DefaultAzureCredential", "NoneType", "NoneType"]
PYTHON
echo "adls.anon: false is anonymous"
