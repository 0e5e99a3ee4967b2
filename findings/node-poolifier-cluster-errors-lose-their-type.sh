#!/usr/bin/env bash
# poolifier 5.3.2 for Node.js: what a task function throws, seen from the program, in a pool of threads and in one of processes.
# Expected: the same from both: a RangeError with its cause.
# Seen: from a FixedThreadPool a RangeError with its cause; from a FixedClusterPool an Error with the same message and without a cause.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --no-save poolifier@5.3.2 node@24.21.0 >npm.log 2>&1 || { cat npm.log; exit 1; }
for kind in Thread Cluster; do
    cat >"$kind.mjs" <<END
import { ${kind}Worker } from 'poolifier'
export default new ${kind}Worker(() => { throw new RangeError('bad', { cause: 'why' }) })
END
done
cat >main.mjs <<'END'
import { FixedClusterPool, FixedThreadPool } from 'poolifier'

const seen = []
for (const [Pool, kind] of [[FixedThreadPool, 'Thread'], [FixedClusterPool, 'Cluster']]) {
  const pool = new Pool(1, `./${kind}.mjs`)
  try {
    await pool.execute()
  } catch (error) {
    seen.push(`${kind}: ${error.name} ${error.message}, cause ${error.cause}`)
  }
  await pool.destroy()
}
console.log(seen.join('\n'))
const wanted = ['Thread: RangeError bad, cause why', 'Cluster: Error bad, cause undefined']
if (seen.join() !== wanted.join()) {
  console.log('the behaviour changed')
  process.exit(1)
}
process.exit(0)
END
node_modules/.bin/node main.mjs
