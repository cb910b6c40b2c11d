/** Python's times, and what else is a class of ours for Python's sake, in the tagged encoding. */
import { PyComplex, PyDate, PyDateTime, PyTime, PyTimeDelta, PyTimezone } from '../../src/serializers/index.js'
import type { Tagged } from './tagged.js'

/** A tagged value that is compared as it is. */
export class TaggedTime {
  constructor(readonly tagged: Tagged) {}
}

/** The tagged form of one of ours; undefined for anything else. */
export function timeOf(value: object): Tagged | undefined {
  if (value instanceof PyTimeDelta) return { $timedelta: [value.days, value.seconds, value.microseconds] }
  if (value instanceof PyTimezone) {
    const { days, seconds, microseconds } = value.offset
    return { $timezone: value.name === undefined ? [[days, seconds, microseconds]] : [[days, seconds, microseconds], value.name] }
  }
  if (value instanceof PyDate) return { $date: value.toString() }
  if (value instanceof PyTime) return { $time: withZone(value.toString(), value.timezone, value.fold) }
  if (value instanceof Date) return { $datetime: dateTimeText(value) }
  if (value instanceof PyComplex) return { $complex: [float(value.real), float(value.imaginary)] }
  return undefined
}

function dateTimeText(value: Date): string {
  if (!(value instanceof PyDateTime)) return withZone(iso(BigInt(value.getTime()) * 1000n), new PyTimezone(), 0)
  const micros = BigInt(value.getTime()) * 1000n + BigInt(value.microseconds)
  return withZone(iso(micros + (value.timezone === null ? 0n : microsOf(value.timezone.offset))), value.timezone, value.fold)
}

function microsOf({ days, seconds, microseconds }: PyTimeDelta): bigint {
  return (BigInt(days) * 86_400n + BigInt(seconds)) * 1_000_000n + BigInt(microseconds)
}

/** As Python's isoformat(): without a fraction where there is none, else with six digits. */
function iso(micros: bigint): string {
  const rest = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n
  const text = new Date(Number((micros - rest) / 1000n)).toISOString().replace(/\.\d+Z$/, '')
  return rest === 0n ? text : `${text}.${rest.toString().padStart(6, '0')}`
}

function withZone(text: string, timezone: PyTimezone | null, fold: 0 | 1): string {
  const name = timezone?.name === undefined ? '' : ` [${timezone.name}]`
  return `${text}${timezone === null ? '' : offsetText(microsOf(timezone.offset))}${fold ? ' fold' : ''}${name}`
}

function offsetText(micros: bigint): string {
  const positive = micros < 0n ? -micros : micros
  const text = iso(positive).slice(11)
  return (micros < 0n ? '-' : '+') + (text.endsWith(':00') ? text.slice(0, 5) : text)
}

function float(value: number): string {
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
  if (Object.is(value, -0)) return '-0.0'
  return Number.isInteger(value) && Math.abs(value) < 1e16 ? `${value}.0` : String(value)
}
