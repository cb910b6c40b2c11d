import type { Serializer } from '../serializer.js'
import { readPickle } from './read.js'
import { PickleWriter } from './write.js'

export { PickledClassError } from './calls.js'
export { PyDate, PyDateTime, type PyDateTimeDetails, PyTime, PyTimeDelta, PyTimezone } from './temporal.js'
export { PyByteArray, PyComplex, PyFrozenSet, PyTuple } from './values.js'

/**
 * Plain Python values as Python's pickle writes and reads them. Nothing is ever executed; docs/format.md has the table of
 * what becomes what.
 */
export const pickleSerializer: Serializer<unknown> = {
  encode: value => new PickleWriter().write(value),
  decode: readPickle,
}
