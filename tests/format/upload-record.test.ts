import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeRecord, encodeRecordLine, type RecordLine } from '../../src/format/upload-record.js'
import { replay, testSeed } from '../support/seed.js'

const number = fc.nat()
const md5 = fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 32, maxLength: 32 })
const text = fc.string({ unit: 'grapheme', minLength: 1 })
const target = fc.oneof(
  fc.record({ group: number, generation: fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 13, maxLength: 13 }) }),
  fc.record({ key: text, timestamp: fc.maxSafeNat() }),
)
const object = fc.record({ n: number, target, size: fc.maxSafeNat(), shape: fc.oneof(fc.record({ md5, partSize: fc.constant(undefined) }), fc.record({ md5: fc.constant(undefined), partSize: fc.integer({ min: 1 }) })) })
const line: fc.Arbitrary<RecordLine> = fc.oneof(
  fc.record({ is: fc.constant('head' as const), remote: text }),
  object.map(({ n, target, size, shape }): RecordLine => ({ is: 'object', object: { n, target, size, ...shape } })),
  fc.record({ is: fc.constant('upload' as const), of: number, upload: text }),
  fc.record({ of: number, part: number, md5, etag: text }).map((part): RecordLine => ({ is: 'part', part })),
  fc.record({ is: fc.constant('sent' as const), of: number, etag: text }),
  fc.constant<RecordLine>({ is: 'commit' }),
)

describe(`the record of uploads, ${replay}`, () => {
  it('comes back line by line', () => {
    fc.assert(fc.property(fc.array(line), (lines) => void expect([...decodeRecord(lines.map(encodeRecordLine).join(''))]).toEqual(lines)), { seed: testSeed })
  })

  it('cut anywhere gives the whole lines before', () => {
    fc.assert(
      fc.property(fc.array(line, { minLength: 1 }), fc.nat(), (lines, at) => {
        const encoded = lines.map(encodeRecordLine)
        const whole = encoded.join('')
        const cut = at % whole.length
        let end = 0
        const complete = encoded.filter((each) => (end += each.length) <= cut + 1).length
        // A last line lacks only its end, or more.
        expect([...decodeRecord(whole.slice(0, cut))]).toEqual(lines.slice(0, complete))
      }),
      { seed: testSeed },
    )
  })

  it('passes over what nobody wrote', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (junk) => void [...decodeRecord(junk)]), { seed: testSeed })
    const md5 = '0'.repeat(32)
    const bad = [
      null, 1, 'x', [], {}, { v: 2, remote: 'r' }, { v: 1 }, { v: 1, remote: '' }, { commit: 1 }, { __proto__: { commit: true } },
      { n: 0, group: 1, generation: '../../other', size: 1, md5 }, { n: 0, group: 2 ** 32, generation: '0'.repeat(13), size: 1, md5 },
      { n: 0, group: -1, generation: '0'.repeat(13), size: 1, md5 }, { n: 0, group: 1, generation: '0'.repeat(13), size: 1, md5: 'x' },
      { n: 0, group: 1, generation: '0'.repeat(13), size: 1 }, { n: 0, group: 1, generation: '0'.repeat(13), size: 1, partSize: 0 },
      { n: 0.5, key: 'k', timestamp: 1, size: 1, md5 }, { n: 0, key: 'k', timestamp: -1, size: 1, md5 }, { n: 0, key: '', timestamp: 1, size: 1, md5 },
      { of: 0, upload: '' }, { of: -1, upload: 'u' }, { of: 0, part: 1, md5: 'short', etag: 'e' }, { of: 0, part: '1', md5, etag: 'e' }, { of: 0, etag: 5 },
    ]
    for (const each of bad) expect([...decodeRecord(`${JSON.stringify(each)}\n`)], JSON.stringify(each)).toEqual([])
    expect([...decodeRecord(`${'['.repeat(100_000)}\n{"commit":true}\n`)]).toEqual([{ is: 'commit' }])
  })
})
