import { Worker } from 'node:worker_threads'
import type { Benchmark, Work } from '../harness.js'
import { loadBooklet } from '../library.js'

/* Taken to workers as its source, so it stands alone. */
function hard(key: string, { rounds }: { rounds: number }): [string, number] {
  let state = key.length
  for (let i = 0; i < rounds; i++) state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
  return [key, state]
}

function light(key: string, { rounds }: { rounds: number }): [string, number] {
  return [key, rounds + 1]
}

type Value = { rounds: number; text: string }

/** The sum of all results: what was mapped must be the same, in whatever order. */
async function sumOf(results: AsyncIterable<[string, number]> | Iterable<[string, number]>): Promise<number> {
  let sum = 0
  for await (const [, value] of results) sum += value
  return sum
}

/* What two threads can do at best on this machine, now: no values travel, and each has its half beforehand. */
async function twoBareThreads(entries: number, rounds: number, fn: typeof hard): Promise<number> {
  const source = (first: number) => `
    const fn = ((__name) => ${fn.toString()})((f) => f)
    let sum = 0
    for (let i = ${first}; i < ${entries}; i += 2) sum += fn('key ' + i, { rounds: ${rounds} })[1]
    require('node:worker_threads').parentPort.postMessage(sum)`
  const half = (first: number) => new Promise<number>((resolve, reject) => new Worker(source(first), { eval: true }).once('message', resolve).once('error', reject))
  const [even, odd] = await Promise.all([half(0), half(1)])
  return even + odd
}

type Library = Awaited<ReturnType<typeof loadBooklet>>

function work({ openBooklet }: Library, title: string, entries: number, rounds: number, fn: typeof hard): Work {
  const file = openBooklet<string, Value>(null)
  for (let i = 0; i < entries; i++) file.set(`key ${i}`, { rounds, text: 'x'.repeat(100) })
  function* loop(): Generator<[string, number]> {
    for (const [key, value] of file) yield fn(key, value)
  }
  return {
    title,
    operations: entries,
    contenders: [
      { name: 'plain loop', run: () => sumOf(loop()) },
      { name: 'map, 1 worker', run: () => sumOf(file.map(fn, { workers: 1 })) },
      { name: 'map, 2 workers', run: () => sumOf(file.map(fn, { workers: 2 })) },
      { name: 'two bare threads, nothing sent', run: () => twoBareThreads(entries, rounds, fn) },
    ],
  }
}

export const mapBenchmark: Benchmark = {
  name: 'map',
  about: 'A function over every value of a file in memory, JSON of about 130 bytes, on worker threads and in a plain loop. Starting and ending the workers is counted.',
  async *works({ quick }) {
    const library = await loadBooklet()
    const entries = quick ? 300 : 1000
    yield work(library, `${entries} values, about 3 ms each`, entries, 2_000_000, hard)
    const many = quick ? 20_000 : 100_000
    yield work(library, `${many} values, next to nothing each`, many, 1, light)
  },
}
