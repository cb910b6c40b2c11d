/** checkBooklet and repairBooklet on hostile files: findings or a typed error, soon; and what was mended is sound. */
import { expect, test } from 'vitest'
import { checkBooklet, openBooklet, openFixedBooklet, repairBooklet } from '../../src/booklet/index.js'
import { goldenBooklets } from '../booklet/golden-booklets.js'
import { SeededRandom } from '../support/seed.js'
import { attempt, mutate, rounds, told } from './mutate.js'

const goldens = goldenBooklets().filter(({ bytes }) => bytes.length < 20_000)

test('mutated files', () => {
  const random = new SeededRandom()
  for (let round = 0; round < rounds(400); round++) {
    const subject = mutate(random, random.pick(goldens).bytes, goldens.map(({ bytes }) => bytes))
    const before = subject.slice()
    const report = attempt('checkBooklet', subject, () => checkBooklet(subject, { deep: true, maxFindings: 50 }))
    expect(report, told('checkBooklet', subject, 'it refuses, which it never may')).toBeDefined()
    const mended = attempt('repairBooklet', subject, () => repairBooklet(subject).mended)
    expect(subject).toEqual(before)
    if (mended === undefined) continue
    const left = checkBooklet(mended).findings.filter(({ severity, kind }) => severity === 'error' && kind !== 'bad-key' && kind !== 'unknown-serializer')
    expect(left, told('repairBooklet', subject, 'it left damage')).toEqual([])
    attempt('reading what was mended', mended, () => {
      const raw = { keySerializer: { encode: (key: Uint8Array) => key, decode: (key: Uint8Array) => key } }
      const booklet = report!.kind === 'fixed' ? openFixedBooklet<Uint8Array>(mended, raw) : openBooklet<Uint8Array>(mended, raw)
      expect([...booklet.rawEntries()].length).toBe(booklet.size)
    })
  }
})

test('blocks within blocks, and one chain of all: in bounded time', () => {
  const size = 400_000
  const bytes = new Uint8Array(size)
  bytes.set(openBooklet(null, { buckets: 60_000 }).toBytes().subarray(0, 200))
  const view = new DataView(bytes.buffer)
  // Each bucket leads to a place of its own that claims a key of 65,535 bytes.
  for (let bucket = 0; bucket < 60_000; bucket++) view.setUint32(200 + 6 * bucket, 360_200 - bucket, true)
  bytes.fill(0xff, 360_200, 360_300)
  const started = performance.now()
  attempt('checkBooklet', 'blocks within blocks', () => checkBooklet(bytes))
  attempt('repairBooklet', 'blocks within blocks', () => repairBooklet(bytes))
  expect(performance.now() - started).toBeLessThan(10_000)
})
