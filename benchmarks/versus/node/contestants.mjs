// The pools of Node that take part: each opens and gives `{ submit, close }`.

import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

const here = name => new URL(name, import.meta.url)

// Waits no longer than that: destroying a pool of ten threads has been seen never to end.
const within = (seconds, promise) => Promise.race([promise, sleep(seconds * 1000)])

async function poolifier(kind, file, workers, options) {
  const library = await import('poolifier')
  return {
    async open() {
      const pool = new library[kind](workers, here(file).pathname, options)
      return { submit: data => pool.execute(data), close: () => within(2, pool.destroy()) }
    },
  }
}

export const contestants = {
  'node-poolifier': workers => poolifier('FixedThreadPool', 'poolifier-thread.mjs', workers, {}),
  'node-poolifier-queue': workers =>
    poolifier('FixedThreadPool', 'poolifier-thread.mjs', workers, { enableTasksQueue: true }),
  'node-poolifier-cluster': workers => poolifier('FixedClusterPool', 'poolifier-cluster.mjs', workers, {}),

  async 'node-piscina'(workers) {
    const { Piscina, move } = await import('piscina')
    return {
      async open() {
        const pool = new Piscina({ filename: here('echo.mjs').href, minThreads: workers, maxThreads: workers })
        return {
          submit: data => pool.run(data),
          give: data => pool.run(move(data), { name: 'giveBack' }),
          close: () => pool.destroy(),
        }
      },
    }
  },

  async 'node-tinypool'(workers) {
    const { default: Tinypool } = await import('tinypool')
    return {
      async open() {
        const pool = new Tinypool({ filename: here('echo.mjs').href, minThreads: workers, maxThreads: workers })
        return { submit: data => pool.run(data), close: () => pool.destroy() }
      },
    }
  },

  async 'node-workerpool'(workers) {
    const { default: library } = await import('workerpool')
    return {
      async open() {
        const pool = library.pool(here('workerpool-thread.mjs').pathname, {
          minWorkers: workers,
          maxWorkers: workers,
          workerType: 'thread',
        })
        return { submit: data => pool.exec('echo', [data]), close: () => pool.terminate(true) }
      },
    }
  },
}

// What this process takes of the machine's memory; where there is no such file, what is resident.
export async function memory() {
  try {
    const text = await readFile('/proc/self/smaps_rollup', 'utf8')
    return Number(/^Pss:\s+(\d+)/m.exec(text)[1]) * 1024
  } catch {
    return process.memoryUsage.rss()
  }
}
