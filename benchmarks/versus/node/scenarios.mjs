// What they do: the same jobs as in ../scenarios, which say what they are for.

import { setTimeout as sleep } from 'node:timers/promises'

import { memory } from './contestants.mjs'

const clock = () => performance.now() / 1000

async function clients(submit, seconds, inFlight) {
  const end = clock() + seconds
  let done = 0
  const client = async () => {
    while (clock() < end) {
      const number = done++
      const result = await submit({ i: number })
      if (result.i !== number) throw new Error(`task ${number} came back as ${JSON.stringify(result)}`)
    }
  }
  await Promise.all(Array.from({ length: inFlight }, client))
  return done
}

const median = values => values.sort((a, b) => a - b)[values.length >> 1]

export const scenarios = {
  async throughput({ open }, { seconds, in_flight }) {
    const pool = await open()
    await clients(pool.submit, seconds / 5, in_flight)
    const cpu = process.cpuUsage()
    const started = clock()
    const done = await clients(pool.submit, seconds, in_flight)
    const elapsed = clock() - started
    const { user, system } = process.cpuUsage(cpu)
    await pool.close()
    // The workers are threads of this process: what the loop's own thread takes is not told apart.
    return { tasks_per_second: done / elapsed, own_cpu: (user + system) / 1e6 / done }
  },

  async burst({ open }, { tasks }) {
    const pool = await open()
    const rates = []
    for (let round = 0; round < 4; round++) {
      const started = clock()
      const results = []
      for (let number = 0; number < tasks; number++) results.push(pool.submit({ i: number }))
      const all = await Promise.all(results)
      if (all.some((result, number) => result.i !== number)) throw new Error('results in the wrong order')
      if (round) rates.push(tasks / (clock() - started))
    }
    await pool.close()
    return { tasks_per_second: median(rates) }
  },

  async start_up({ open }) {
    const sample = {}
    for (const metric of ['first', 'next']) {
      const started = clock()
      const pool = await open()
      await pool.submit({ i: 0 })
      sample[metric] = clock() - started
      await pool.close()
    }
    return sample
  },

  async memory(_, { few, many }, contestant) {
    const taken = []
    for (const workers of [few, few, many]) {
      const { open } = await contestant(workers)
      const pool = await open()
      await Promise.all(Array.from({ length: 50 * workers }, (_, i) => pool.submit({ i })))
      await sleep(300)
      taken.push(await memory())
      await pool.close()
    }
    return { per_worker: (taken[2] - taken[1]) / (many - few) }
  },

  async queued({ open }, { tasks }) {
    const pool = await open()
    await pool.submit({ i: 0 })
    const results = new Array(tasks)
    const before = await memory()
    const started = clock()
    for (let number = 0; number < tasks; number++) results[number] = pool.submit(number)
    const elapsed = clock() - started
    const bytes = ((await memory()) - before) / tasks
    // Nothing has been answered: this thread has not let its event loop turn since.
    console.log(JSON.stringify({ submits_per_second: tasks / elapsed, bytes_each: bytes }))
    process.exit(0)
  },

  async give({ open }, { small, large, rounds }) {
    const pool = await open()
    const times = {}
    for (const size of [small, large]) {
      let buffer = new Uint8Array(size).fill(1)
      const taken = []
      for (let round = 0; round < rounds; round++) {
        const started = clock()
        buffer = await pool.give(buffer)
        if (round > rounds / 10) taken.push(clock() - started)
        if (buffer.length !== size) throw new Error(`came back with ${buffer.length} bytes`)
      }
      times[size] = median(taken)
    }
    await pool.close()
    return { small: times[small], large: times[large], growth: times[large] / times[small] }
  },
}
