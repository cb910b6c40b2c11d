import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { checkBooklet, openBooklet } from '../../src/booklet/index.js'
import { digestKey, newDigest } from '../../src/format/blake2s.js'
import { utf8Encode } from '../../src/base/bytes.js'

const folder = mkdtempSync(join(tmpdir(), 'ebooklet-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test.each([false, true])('entries of another file are taken over as they stand (that one synced: %s)', (synced) => {
  const from = openBooklet<string, Uint8Array>(null, { valueSerializer: 'bytes' })
  for (let i = 0; i < 2000; i++) from.set(`key ${i} é`, new Uint8Array(i % 300).fill(i), { timestamp: 1000 + i })
  if (synced) from.sync()
  from.set('key 7 é', Uint8Array.of(1), { timestamp: 5 })
  from.delete('key 8 é')
  from.metadata = { not: 'an entry' }

  const path = join(folder, `${synced}.blt`)
  const to = openBooklet<string, Uint8Array>(path, { flag: 'n', valueSerializer: 'bytes', buckets: 11 })
  to.set('key 9 é', Uint8Array.of(9), { timestamp: 9 })
  const unwanted = newDigest()
  digestKey(utf8Encode('key 10 é'), unwanted)
  const asked: number[] = []
  to.takeOver(from, (digest, timestamp) => {
    asked.push(timestamp)
    return !(digest.w0 === unwanted.w0 && digest.w1 === unwanted.w1)
  })
  to.close()

  expect(asked.sort((a, b) => a - b)).toEqual([5, ...Array.from({ length: 2000 }, (_, i) => 1000 + i).filter((at) => at !== 1007 && at !== 1008)])
  const expected = new Map([...from.rawEntries()].map(({ key, timestamp, value }) => [key, { timestamp, value }]))
  expected.delete('key 10 é')
  const again = openBooklet<string, Uint8Array>(path)
  expect(new Map([...again.rawEntries()].map(({ key, timestamp, value }) => [key, { timestamp, value }]))).toEqual(expected)
  for (const [key, { value }] of expected) expect(again.get(key)).toEqual(value)
  expect(again.size).toBe(1998)
  expect(again.metadata).toBeUndefined()
  again.close()
  expect(checkBooklet(path, { deep: true }).findings).toEqual([])
})
