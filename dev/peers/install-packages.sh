#!/usr/bin/env bash
# Installs from Debian's packages what the peers need and the machine lacks: Ceph's object gateway, Python with venv.
# As root, or with sudo. Does nothing where everything is there.
set -euo pipefail

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

missing=()
for program in radosgw ceph-mon ceph-osd; do
  command -v "$program" >/dev/null || missing+=("$program")
done
# ensurepip comes in a package of its own on Debian, without which a virtual environment has no pip.
python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3 python3-venv)
if [ ${#missing[@]} = 0 ]; then exit 0; fi

# The packages want to start services of their own, which a container can't: say no, for this once.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
  as_root chmod 755 "$policy"
  trap 'as_root rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
as_root apt-get update -q
as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
