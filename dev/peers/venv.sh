#!/usr/bin/env bash
# Makes the virtual environment of one release of the Python original and prints the path of its python.
#
#   dev/peers/venv.sh 0.10        from requirements-0.10.txt, in .cache/python-0.10
#
# One that was made from the same requirements stays as it is.
set -euo pipefail

release=${1:?which release: 0.10 or 0.8}
here=$(cd "$(dirname "$0")" && pwd)
requirements=$here/requirements-$release.txt
venv=$(cd "$here/../.." && pwd)/.cache/python-$release

if ! cmp -s "$requirements" "$venv/made-from.txt" || ! "$venv/bin/python" -c 'import ebooklet' 2>/dev/null; then
  rm -rf "$venv"
  mkdir -p "$(dirname "$venv")"
  python3 -m venv "$venv" >&2
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements" >&2
  cp "$requirements" "$venv/made-from.txt"
fi
echo "$venv/bin/python"
