/** Plain values of Python, in our classes, that a pickle gives back as they are. */
import { fc } from './property.js'
import { PyByteArray, PyComplex, PyDate, PyDateTime, PyFrozenSet, PyTime, PyTimeDelta, PyTimezone, PyTuple } from '../../src/serializers/index.js'

const unsafe = fc.oneof(fc.bigInt({ min: 2n ** 53n, max: 2n ** 300n }), fc.bigInt({ min: -(2n ** 300n), max: -(2n ** 53n) }))
const text = fc.string({ unit: 'binary', maxLength: 12 })
const bytes = fc.uint8Array({ maxLength: 30 })
const micros = fc.integer({ min: 0, max: 999_999 })
const fold = fc.constantFrom(0 as const, 1 as const)
const delta = fc.record({ days: fc.integer({ min: -999_999_999, max: 999_999_999 }), seconds: fc.integer({ min: 0, max: 86_399 }), micros }).map(({ days, seconds, micros }) => new PyTimeDelta(days, seconds, micros))
const timezone = fc
  .record({ days: fc.constantFrom(0, -1), seconds: fc.integer({ min: 1, max: 86_399 }), micros: fc.oneof(fc.constant(0), micros), name: fc.option(fc.constantFrom('CET', 'x'), { nil: undefined }) })
  .map(({ days, seconds, micros, name }) => new PyTimezone(new PyTimeDelta(days, seconds, micros), name))
const zone = fc.oneof(fc.constant(null), fc.constant(new PyTimezone()), timezone)
const moment = fc.date({ min: new Date('0002-01-01'), max: new Date('9998-12-31'), noInvalidDate: true })
const day = moment.map((date) => new PyDate(date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate()))
const dateTime = fc.record({ moment, microseconds: fc.integer({ min: 1, max: 999 }), zone, fold }).map(({ moment, microseconds, zone, fold }) => new PyDateTime(moment, { microseconds, timezone: zone, fold }))
const time = fc.record({ moment, micros, zone, fold }).map(({ moment, micros, zone, fold }) => new PyTime(moment.getUTCHours(), moment.getUTCMinutes(), moment.getUTCSeconds(), micros, zone, fold))

/** Those that can be a key, each of another kind than the others so that no two are equal in Python. */
const keys = fc.oneof(fc.integer({ min: 2 }), text, fc.constant(null), fc.boolean())

export const pythonValues: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constant(null), fc.boolean(), fc.maxSafeInteger(), unsafe, fc.double({ noInteger: true }), text, bytes,
    bytes.map((content) => PyByteArray.from(content)), moment, dateTime, day, time, delta, timezone,
    fc.tuple(fc.double({ noNaN: true }), fc.double({ noNaN: true })).map(([a, b]) => new PyComplex(a, b)),
    tie('list'), tie('record'), tie('map'), tie('tuple'), tie('set'),
  ),
  list: fc.array(tie('value'), { maxLength: 5 }),
  tuple: fc.array(tie('value'), { maxLength: 5 }).map((items) => PyTuple.from(items)),
  record: fc.dictionary(text, tie('value'), { maxKeys: 5 }).map((record) => Object.fromEntries(Object.entries(record))),
  map: fc.array(fc.tuple(keys, tie('value')), { minLength: 1, maxLength: 5 }).map((entries) => new Map([[2 ** 40, null], ...entries])),
  set: fc.tuple(fc.array(keys, { maxLength: 5 }), fc.boolean()).map(([items, frozen]) => (frozen ? new PyFrozenSet(items) : new Set(items))),
}))['value']
