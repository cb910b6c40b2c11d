#!/usr/bin/env bash
# One-node Ceph object gateway (S3) for tests: everything in memory, on free ports of 127.0.0.1, nothing kept.
#
#   dev/peers/ceph.sh start DIR   starts it; prints {"endpoint":…,"accessKeyId":…,"secretAccessKey":…} on one line
#   dev/peers/ceph.sh stop DIR    ends it and removes DIR
#
# DIR must not exist yet, and be short: sockets in it have to stay below 108 bytes. Needs Debian's packages radosgw,
# ceph-mon and ceph-osd, and node. Runs as any user. Logs are in DIR/log.
set -euo pipefail

command=${1:-}
dir=${2:-}
if [ -z "$dir" ]; then
  sed -n '2,8p' "$0" >&2
  exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
conf=$dir/ceph.conf

random_hex() { node -e 'console.log(require("node:crypto").randomBytes(10).toString("hex"))'; }

write_conf() { # MON_PORT S3_PORT FSID
  cat >"$conf" <<EOF
[global]
fsid = $3
mon host = v2:127.0.0.1:$1
public addr = 127.0.0.1
cluster addr = 127.0.0.1
# Nobody but this machine reaches it, so the daemons trust each other.
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
run dir = $dir/run
admin socket = $dir/run/\$name.\$pid.asok
log file = $dir/log/\$name.log
crash dir = $dir/log
mon data = $dir/mon
mon data avail crit = 1
mon allow pool size one = true
# A single node has nobody to wait for.
paxos propose interval = 0.02
paxos min wait = 0.01
osd data = $dir/osd
osd objectstore = memstore
memstore device bytes = 8589934592
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
[client.rgw]
rgw data = $dir/rgw
rgw frontends = beast endpoint=127.0.0.1:$2 tcp_nodelay=1
rgw thread pool size = 32
rgw run sync thread = false
EOF
}

daemon() { # NAME PROGRAM ARGS…: runs in the background, its process id in run/NAME.pid
  local name=$1
  shift
  "$@" -f </dev/null >"$dir/log/$name.out" 2>&1 &
  echo $! >"$dir/run/$name.pid"
}

failed() {
  echo "ceph.sh: $1" >&2
  tail -n 20 "$dir"/log/*.out >&2 || true
  stop
  exit 1
}

create_pools() {
  local pool
  for pool in log control meta buckets.index buckets.data buckets.non-ec; do
    ceph -c "$conf" osd pool create "default.rgw.$pool" 4 >/dev/null 2>&1
    ceph -c "$conf" osd pool application enable "default.rgw.$pool" rgw >/dev/null 2>&1
  done
}

start() {
  local mon_port s3_port fsid osd_id access_key secret_key
  if [ -e "$dir" ]; then
    echo "ceph.sh: $dir exists already" >&2
    exit 1
  fi
  mkdir -p "$dir"/{mon,osd,rgw,run,log}
  read -r mon_port s3_port < <(node "$here/free-ports.mjs" 2)
  fsid=$(cat /proc/sys/kernel/random/uuid)
  osd_id=$(cat /proc/sys/kernel/random/uuid)
  access_key=$(random_hex)
  secret_key=$(random_hex)$(random_hex)
  write_conf "$mon_port" "$s3_port" "$fsid"

  monmaptool --create --fsid "$fsid" --addv a "[v2:127.0.0.1:$mon_port]" "$dir/monmap" >/dev/null
  ceph-mon -c "$conf" -i a --mkfs --monmap "$dir/monmap" >"$dir/log/mkfs.out" 2>&1 || failed 'the monitor could not be set up'
  daemon mon ceph-mon -c "$conf" -i a
  timeout 60 ceph -c "$conf" osd new "$osd_id" 0 >/dev/null 2>&1 || failed 'the monitor does not answer'
  ceph-osd -c "$conf" -i 0 --mkfs --osd-uuid "$osd_id" >>"$dir/log/mkfs.out" 2>&1 || failed 'the storage could not be set up'
  daemon osd ceph-osd -c "$conf" -i 0
  create_pools || failed 'the pools could not be made'
  timeout 120 radosgw-admin -c "$conf" -n client.rgw user create --uid=test --display-name=test \
    --access-key="$access_key" --secret-key="$secret_key" >"$dir/log/user.out" 2>&1 || failed 'the user could not be made'
  daemon rgw radosgw -c "$conf" -n client.rgw
  node "$here/wait-for.mjs" "http://127.0.0.1:$s3_port/" || failed 'the gateway does not answer'
  printf '{"endpoint":"http://127.0.0.1:%s","accessKeyId":"%s","secretAccessKey":"%s"}\n' "$s3_port" "$access_key" "$secret_key"
}

stop() {
  local name pid
  for name in rgw osd mon; do
    pid=$(cat "$dir/run/$name.pid" 2>/dev/null) || continue
    # The number may have gone to another process meanwhile; ours has the configuration on its command line.
    grep -qaF "$conf" "/proc/$pid/cmdline" 2>/dev/null || continue
    # Nothing is kept, so there is nothing to close.
    kill -9 "$pid" 2>/dev/null || true
  done
  rm -rf "$dir"
}

case $command in
  start) start ;;
  stop) stop ;;
  *) sed -n '2,8p' "$0" >&2; exit 2 ;;
esac
