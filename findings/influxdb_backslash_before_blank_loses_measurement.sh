#!/usr/bin/env bash
# InfluxDB 1.8.10 (and 2.7.12, whose parser is the same): a point of a measurement whose name has a backslash before a blank or a
# comma is acknowledged with 204, and no query finds it again. The write path keeps the name `a\ b`; SHOW MEASUREMENTS calls it
# `a b`, SHOW FIELD KEYS does not know it, and SELECT from either name has no rows. A name with a backslash before any other
# character is stored and found. Tags with a backslash before a blank, comma or equals sign are stored and found, too.
#
# Needs influxd 1.8: go install github.com/influxdata/influxdb/cmd/influxd@v1.8.10, or its path in $INFLUXD.
set -euo pipefail
folder=$(mktemp -d)
port=18186
cat >"$folder/influxdb.conf" <<CONF
reporting-disabled = true
bind-address = "127.0.0.1:18188"
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
ask() { curl -sS "$url/query" --data-urlencode db=d --data-urlencode "q=$1"; }
ask 'CREATE DATABASE d' >/dev/null
write() {
  status=$(printf '%s f=1 1767225600000000000' "$1" | curl -sS -o /dev/null -w '%{http_code}' --data-binary @- "$url/write?db=d")
  echo "$1: $status"
  [ "$status" = 204 ]
}
write 'a\\ b'
write 'c\d'
write 'e,tag=a\\ b'
ask 'SHOW MEASUREMENTS' | tee "$folder/measurements"
ask 'SELECT f FROM "a\\ b"' | tee "$folder/first"
ask 'SELECT f FROM "a b"' | tee "$folder/second"
ask 'SELECT f FROM "c\\d"' | tee "$folder/third"
ask 'SELECT f FROM e' | tee "$folder/fourth"
grep -q '"a b"' "$folder/measurements"
if grep -q series "$folder/first" "$folder/second"; then
  echo "the point is found"
  exit 1
fi
grep -q series "$folder/third"
grep -q series "$folder/fourth"
echo "the point of a\\ b was acknowledged, and is not found"
