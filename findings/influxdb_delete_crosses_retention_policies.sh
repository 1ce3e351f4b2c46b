#!/usr/bin/env bash
# InfluxDB 1.8.10: `DELETE FROM "cpu" WHERE time < ...` deletes the measurement's points in every retention policy of the database,
# also in those that no SELECT FROM "cpu" shows, which reads the default policy alone. It cannot be told to leave them:
# `DELETE FROM "autogen"."cpu"` is refused ("retention policy not supported"). So whoever clears old raw points deletes the
# downsampled ones of another policy that bear the same name, which are there to outlive them.
#
# Needs influxd 1.8: go install github.com/influxdata/influxdb/cmd/influxd@v1.8.10, or its path in $INFLUXD.
set -euo pipefail
folder=$(mktemp -d)
port=18971
cat >"$folder/influxdb.conf" <<CONF
reporting-disabled = true
bind-address = "127.0.0.1:18972"
[meta]
dir = "$folder/meta"
[data]
dir = "$folder/data"
wal-dir = "$folder/wal"
[http]
bind-address = "127.0.0.1:$port"
log-enabled = false
CONF
"${INFLUXD:-influxd}" run -config "$folder/influxdb.conf" >"$folder/log" 2>&1 &
server=$!
trap 'kill $server; wait $server 2>/dev/null || true; rm -rf "$folder"' EXIT
url=http://127.0.0.1:$port
until curl -sf "$url/ping"; do
  kill -0 $server
  read -rt 0.2 <> <(:) || true
done
ask() { curl -sS "$url/query" --data-urlencode db=d --data-urlencode epoch=ns --data-urlencode "q=$1"; }
ask 'CREATE DATABASE d' >/dev/null
ask 'CREATE RETENTION POLICY yearly ON d DURATION INF REPLICATION 1' >/dev/null
curl -sSf --data-binary 'cpu v=1 1000' "$url/write?db=d"
curl -sSf --data-binary 'cpu v=2 1000' "$url/write?db=d&rp=yearly"
echo "read without a policy: $(ask 'SELECT * FROM "cpu"')"
echo "told the policy: $(ask 'DELETE FROM "autogen"."cpu" WHERE time <= 1000')"
echo "deleted: $(ask 'DELETE FROM "cpu" WHERE time <= 1000')"
left=$(ask 'SELECT * FROM "yearly"."cpu"')
echo "left in the policy yearly: $left"
if grep -q '"v"' <<<"$left"; then
  echo "The points of the other policy are there: this version is not affected."
  exit 1
fi
echo "The points of the other policy are gone, too."
