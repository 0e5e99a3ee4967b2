#!/usr/bin/env bash
# tqdm 4.70.1: the bar of process_map(..., chunksize=n) ends at a fraction of its total.
#
# Expected: 50/50 once all 50 items are done, as with chunksize=1.
# Seen: the results are complete, but the bar ends at 10/50 with chunksize=5: it counts chunks, and its total is items.
#
# Exits with 0 while that is so.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check tqdm==4.70.1

cat > program.py <<'PYTHON'
import math
import sys

from tqdm.contrib.concurrent import process_map

if __name__ == "__main__":
    found = process_map(math.sqrt, range(50), max_workers=2, chunksize=int(sys.argv[1]))
    assert found == [math.sqrt(number) for number in range(50)]
PYTHON

for size in 1 5; do
  last=$(venv/bin/python program.py "$size" 2>&1 | tr '\r' '\n' | grep -o '[0-9]*/50' | tail -n 1)
  echo "chunksize=$size: the bar ends at $last"
  echo "$last" > "last-$size"
done
[ "$(cat last-1)" = 50/50 ] && [ "$(cat last-5)" = 10/50 ]
