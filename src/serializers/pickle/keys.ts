import { toHex } from '../../base/bytes.js'
import { PyDate, PyTime, PyTimeDelta, PyTimezone, wallClockOf } from './temporal.js'
import { PyByteArray, PyComplex, PyFrozenSet, PyTuple } from './values.js'

/**
 * A text that two values share just when Python takes them for the same key (1 and true, say); undefined for what Python
 * has neither as a key nor as a member of a set.
 */
export function keyIdentity(value: unknown): string | undefined {
  switch (typeof value) {
    case 'string':
      return `s${value}`
    case 'boolean':
      return value ? 'n1' : 'n0'
    case 'bigint':
      return `n${value}`
    case 'number':
      return Number.isInteger(value) ? `n${BigInt(value)}` : `n${value}`
    case 'object':
      return value === null ? 'none' : objectIdentity(value)
    default:
      return undefined
  }
}

function objectIdentity(value: object): string | undefined {
  if (value instanceof PyTuple) return membersIdentity('t', value)
  if (value instanceof PyFrozenSet) return membersIdentity('f', [...value])
  if (value instanceof Uint8Array) return value instanceof PyByteArray ? undefined : `b${toHex(value)}`
  if (value instanceof PyComplex) return value.imaginary === 0 ? keyIdentity(value.real) : `c${value.real} ${value.imaginary}`
  if (value instanceof Date) return dateIdentity(value)
  if (value instanceof PyDate) return `d${value.toString()}`
  if (value instanceof PyTime) return `h${value.toString()} ${value.timezone === null ? '' : value.timezone.offset.toMilliseconds()}`
  if (value instanceof PyTimeDelta) return `l${value.days} ${value.seconds} ${value.microseconds}`
  if (value instanceof PyTimezone) return `z${value.offset.toMilliseconds()}`
  return undefined
}

/* Two moments are the same whatever their timezones; without one they are something else. */
function dateIdentity(value: Date): string {
  const { timezone, microsecond } = wallClockOf(value)
  return `${timezone === null ? 'w' : 'm'}${value.getTime()} ${microsecond % 1000}`
}

function membersIdentity(kind: string, members: readonly unknown[]): string | undefined {
  const parts: string[] = []
  for (const member of members) {
    const identity = keyIdentity(member)
    if (identity === undefined) return undefined
    parts.push(`${identity.length}:${identity}`)
  }
  return kind + (kind === 'f' ? parts.sort() : parts).join('')
}
