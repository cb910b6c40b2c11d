/** What runs in the worker threads of a map. */
import { workerData } from 'node:worker_threads'
import { limitSerializer, resolveSerializer, type SerializerName } from '../serializers/index.js'
import type { NamedDecoding } from '../values/index.js'
import { offerPackages } from '../values/optional-packages.js'
import type { PortableFunction } from './function.js'
import { packError, type Batch, type BatchOutcome, type Failure, type WorkerSetup } from './protocol.js'
import { sizeToSend } from './sendable.js'

type Work = (key: unknown, value: unknown) => unknown
type Decode = (bytes: Uint8Array) => unknown

/** Loading is asked for once, whatever comes of it. */
let ready: Promise<{ work: Work; decode: Decode }> | undefined

/** Runs the function of the map on the entries of a batch, up to the first that fails. */
export default async function runBatch(batch: Batch): Promise<BatchOutcome> {
  const begun = performance.now()
  const results: [unknown, unknown][] = []
  let bytes = 0
  const end = (failure?: Failure): BatchOutcome => ({ results, took: performance.now() - begun, bytes, ...(failure && { failure }) })
  const during = (phase: Failure['during'], at: number, error: unknown) => end({ during: phase, at, error: packError(error) })
  let prepared
  try {
    prepared = await (ready ??= prepare(workerData as WorkerSetup))
  } catch (error) {
    return during('load', 0, error)
  }
  const values = valuesOf(batch, prepared.decode)
  for (const [at, key] of batch.keys.entries()) {
    Atomics.store(batch.position, 0, at)
    let value, result
    try {
      value = values.next().value
    } catch (error) {
      return during('read', at, error)
    }
    try {
      result = await prepared.work(key, value)
    } catch (error) {
      return during('function', at, error)
    }
    try {
      if (result === null) continue
      const pair = pairOf(result)
      bytes += sizeToSend(pair)
      results.push(pair)
    } catch (error) {
      return during('result', at, error)
    }
  }
  return end()
}

async function prepare({ fn, decoding }: WorkerSetup): Promise<{ work: Work; decode: Decode }> {
  return { work: await load(fn), decode: decoding === undefined ? (bytes) => bytes : decoderOf(decoding) }
}

function decoderOf({ serializer, maxValueBytes }: NamedDecoding): Decode {
  offerPackages()
  const limited = limitSerializer(resolveSerializer(serializer as SerializerName), maxValueBytes)
  return (bytes) => limited.decode(bytes)
}

async function load(fn: PortableFunction): Promise<Work> {
  if (fn.kind === 'source') return evaluate(fn.source)
  const exported = (await import(fn.url)) as Readonly<Record<string, unknown>>
  const work = exported[fn.name]
  if (typeof work !== 'function') throw new TypeError(`${fn.url} exports no function of the name ${JSON.stringify(fn.name)}`)
  return work as Work
}

/* Compilers that keep the names of functions, as esbuild does when asked to, write calls of __name into their sources. */
function evaluate(source: string): Work {
  const make = (0, eval)(`'use strict';((__name) => (${source}\n))\n//# sourceURL=function-of-the-map`) as (keepName: (fn: unknown) => unknown) => Work
  return make((fn) => fn)
}

function* valuesOf({ values }: Batch, decode: Decode): Generator<unknown, undefined> {
  if ('decoded' in values) {
    yield* values.decoded
    return
  }
  let at = 0
  for (const length of values.lengths) {
    // Bytes of its own: a view would keep, and as a result carry along, those of the whole batch.
    yield decode(values.bytes.slice(at, at + length))
    at += length
  }
}

function pairOf(result: unknown): [unknown, unknown] {
  if (Array.isArray(result) && result.length === 2) return result as [unknown, unknown]
  const given = Array.isArray(result) ? `an array of ${result.length}` : result === undefined ? 'undefined' : `a ${typeof result}`
  throw new TypeError(`the function has to give [key, value], or null to skip; it gave ${given}`)
}
