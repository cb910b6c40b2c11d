import { expect, test } from 'vitest'
import { encodeFixedBooklet, openBooklet, openFixedBooklet } from '../../src/booklet/index.js'
import { checkHome } from '../../src/booklet/check/check.js'
import { repairHome } from '../../src/booklet/check/repair.js'
import { Stopped, StoppingDisk } from '../booklet/stopping-disk.js'

/* The process that mends a file dies at its n-th change of the disk, for every n; who mends then comes to the same result. */

const keys = Array.from({ length: 9 }, (_, i) => `key ${i}`)

function variable(): Uint8Array {
  const booklet = openBooklet<string, Uint8Array>(null, { buckets: 9, valueSerializer: 'bytes' })
  for (const key of keys) booklet.setBytes(key, new Uint8Array(700).fill(key.charCodeAt(4)))
  booklet.sync()
  return booklet.toBytes()
}

function fixed(): Uint8Array {
  return encodeFixedBooklet({ entries: keys.map((key) => [key, new Uint8Array(400).fill(key.charCodeAt(4))] as const), valueLength: 400, buckets: 9, timestamp: 1 })
}

function contents(bytes: Uint8Array, isFixed: boolean): Record<string, number> {
  const booklet = isFixed ? openFixedBooklet(bytes) : openBooklet(bytes)
  return Object.fromEntries([...booklet.rawEntries()].map(({ key, value }): [string, number] => [key, value[0]!]).sort())
}

const damages: [string, (bytes: Uint8Array) => Uint8Array][] = [
  ['a wiped index', (bytes) => bytes.fill(0, 200, 254)],
  ['a scrambled index', (bytes) => bytes.fill(0xee, 200, 254)],
  ['a wrong number of buckets', (bytes) => bytes.fill(0xff, 21, 25)],
  ['a cut end', (bytes) => bytes.slice(0, bytes.length - 10)],
  ['no clean end', (bytes) => bytes.fill(0xff, 33, 37)],
]

test.each(damages)('%s', (_name, damage) => {
  for (const isFixed of [false, true]) {
    const broken = damage(isFixed ? fixed() : variable())
    const whole = new StoppingDisk(broken)
    const result = repairHome(whole, undefined, {})
    const expected = contents(whole.snapshot().main, isFixed)
    expect(Object.keys(expected).length).toBe(result.kept)
    expect(result.kept).toBeGreaterThanOrEqual(8)
    for (let stop = 0; stop < whole.calls; stop++) {
      for (const part of [0, 0.6]) {
        const disk = new StoppingDisk(broken)
        disk.limit = stop
        disk.part = part
        expect(() => repairHome(disk, undefined, {})).toThrow(Stopped)
        const left = disk.snapshot()
        const again = new StoppingDisk(left.main, left.side)
        repairHome(again, undefined, {})
        const { main, side } = again.snapshot()
        expect(contents(main, isFixed), `stopped at ${stop}`).toEqual(expected)
        expect(checkHome(again, undefined).findings).toEqual([])
        if (side) expect(result.changed).toBe(true)
      }
    }
  }
})
