#!/usr/bin/env bash
# A MinIO server (S3) for tests, on a free port of 127.0.0.1, nothing kept. Unlike Ceph's gateway 16 it gives the names of
# user metadata back as they were sent, so that the Python original works on it too.
#
#   dev/peers/minio.sh build       builds the server into .cache/minio; does nothing where it is
#   dev/peers/minio.sh start DIR   builds and starts it; prints {"endpoint":…,"accessKeyId":…,"secretAccessKey":…} on one line
#   dev/peers/minio.sh stop DIR    ends it and removes DIR
#
# DIR must not exist yet. Needs Go, which fetches the server's source as a module: some minutes the first time.
set -euo pipefail

# The release RELEASE.2025-10-15 and the fixes after it.
version=v0.0.0-20260212201848-7aac2a2c5b7c

command=${1:-}
dir=${2:-}
here=$(cd "$(dirname "$0")" && pwd)
bin=$(cd "$here/../.." && pwd)/.cache/minio
program=$bin/minio

build() {
  if [ -x "$program" ] && [ "$(cat "$bin/made-from.txt" 2>/dev/null)" = "$version" ]; then return; fi
  mkdir -p "$bin"
  GOBIN=$bin go install "github.com/minio/minio@$version" >&2
  echo "$version" >"$bin/made-from.txt"
}

random_hex() { node -e 'console.log(require("node:crypto").randomBytes(10).toString("hex"))'; }

start() {
  local port console access_key secret_key
  if [ -e "$dir" ]; then
    echo "minio.sh: $dir exists already" >&2
    exit 1
  fi
  build
  mkdir -p "$dir/data"
  read -r port console < <(node "$here/free-ports.mjs" 2)
  access_key=$(random_hex)
  secret_key=$(random_hex)$(random_hex)
  MINIO_ROOT_USER=$access_key MINIO_ROOT_PASSWORD=$secret_key MINIO_UPDATE=off MINIO_BROWSER=off \
    "$program" server --quiet --address "127.0.0.1:$port" --console-address "127.0.0.1:$console" "$dir/data" </dev/null >"$dir/out" 2>&1 &
  echo $! >"$dir/pid"
  node "$here/wait-for.mjs" "http://127.0.0.1:$port/minio/health/live" || {
    echo 'minio.sh: the server does not answer' >&2
    tail -n 20 "$dir/out" >&2
    stop
    exit 1
  }
  printf '{"endpoint":"http://127.0.0.1:%s","accessKeyId":"%s","secretAccessKey":"%s"}\n' "$port" "$access_key" "$secret_key"
}

stop() {
  local pid
  pid=$(cat "$dir/pid" 2>/dev/null) || pid=
  # The number may have gone to another process meanwhile; ours has the folder on its command line.
  if [ -n "$pid" ] && grep -qaF "$dir/data" "/proc/$pid/cmdline" 2>/dev/null; then
    kill -9 "$pid" 2>/dev/null || true
  fi
  rm -rf "$dir"
}

case $command:$dir in
  build:*) build ;;
  start:?*) start ;;
  stop:?*) stop ;;
  *) sed -n '2,9p' "$0" >&2; exit 2 ;;
esac
