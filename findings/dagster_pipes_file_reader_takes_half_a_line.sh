#!/usr/bin/env bash
# dagster 1.13.27: the reader of Pipes messages that PipesSubprocessClient uses (PipesFileMessageReader) takes what stands
# at the end of the file for a whole line, also where the line's end is still to come. One message that is not written in
# one piece ends the reader: that message and all later ones are lost, and the step succeeds all the same. What the
# process reported, such as the metadata of an asset's materialization, is not there; Dagster puts a bare one in its place.
#
# Seen, of a process that reports two assets with metadata, by a channel that writes each line in two pieces:
#   the run succeeds, with a materialization of both assets, neither of which has any metadata
#   the event log has "framework exception occurred in PipesFileMessageReader reader thread" (JSONDecodeError)
# In one piece the same process gives both assets their metadata. Long lines come in pieces by themselves: the channel that
# dagster-pipes has does it with messages of some 60 MB, on a busy machine with shorter ones.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dagster==1.13.27 dagster-pipes==1.13.27
cat >"$folder/external.py" <<'PYTHON'
import json
import sys
import time
from contextlib import contextmanager

from dagster_pipes import PipesMessageWriter, PipesMessageWriterChannel, open_dagster_pipes

PIECES = int(sys.argv[1])


class Channel(PipesMessageWriterChannel):
    def __init__(self, path):
        self.path = path

    def write_message(self, message):
        line = json.dumps(message) + "\n"
        step = -(-len(line) // PIECES)
        for start in range(0, len(line), step):
            with open(self.path, "a") as file:
                file.write(line[start : start + step])
            time.sleep(0.1)


class Writer(PipesMessageWriter):
    @contextmanager
    def open(self, params):
        yield Channel(params["path"])


with open_dagster_pipes(message_writer=Writer()) as pipes:
    for name in ("one", "two"):
        pipes.report_asset_materialization(asset_key=name, metadata={"rows": 3})
PYTHON
cat >"$folder/run.py" <<'PYTHON'
import sys

import dagster as dg

EXTERNAL = sys.argv[1]


def run(pieces):
    @dg.multi_asset(specs=[dg.AssetSpec("one"), dg.AssetSpec("two")])
    def both(context: dg.AssetExecutionContext, pipes: dg.PipesSubprocessClient):
        return pipes.run(command=[sys.executable, EXTERNAL, str(pieces)], context=context).get_results()

    instance = dg.DagsterInstance.ephemeral()
    done = dg.materialize([both], instance=instance, resources={"pipes": dg.PipesSubprocessClient()}, raise_on_error=False)
    made = {
        event.materialization.asset_key.to_user_string(): "rows" in event.materialization.metadata
        for event in done.get_asset_materialization_events()
        for event in [event.event_specific_data]
    }
    lost = [str(entry.message) for entry in instance.all_logs(done.run_id) if "reader thread" in str(entry.message)]
    return done.success, made, len(lost)


whole, halves = run(1), run(2)
print("in one piece:  success, assets with their rows, readers that ended:", whole)
print("in two pieces: success, assets with their rows, readers that ended:", halves)
assert whole == (True, {"one": True, "two": True}, 0), whole
assert halves == (True, {"one": False, "two": False}, 1), halves
PYTHON
"$folder/venv/bin/python" "$folder/run.py" "$folder/external.py" 2>/dev/null
