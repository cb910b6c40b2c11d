/** Python's times, and what else is a class of ours for Python's sake, in the tagged encoding. */
import { PyComplex, PyDate, PyDateTime, PyTime, PyTimeDelta, PyTimezone } from '../../src/serializers/index.js'
import type { Tagged } from './tagged.js'

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

/** The value of ours for a tagged one. */
export function timeFrom(tag: string, content: Tagged): object {
  const value = parsed(tag, content)
  // Else a comparison with it would compare something else.
  if (JSON.stringify(timeOf(value)) !== JSON.stringify({ [tag]: content })) throw new TypeError(`${JSON.stringify(content)} became ${JSON.stringify(timeOf(value))}`)
  return value
}

function parsed(tag: string, content: Tagged): object {
  switch (tag) {
    case '$timedelta':
      return new PyTimeDelta(...(content as unknown as [number, number, number]))
    case '$timezone': {
      const [offset, name] = content as unknown as [[number, number, number], string | undefined]
      return new PyTimezone(new PyTimeDelta(...offset), name)
    }
    case '$complex': {
      const [real, imaginary] = (content as readonly string[]).map((text) => ({ nan: NaN, inf: Infinity, '-inf': -Infinity })[text] ?? Number(text))
      return new PyComplex(real ?? NaN, imaginary ?? NaN)
    }
    default:
      return parsedText(tag, content as string)
  }
}

const shape = /^(?:(\d{4})-(\d\d)-(\d\d))?T?(?:(\d\d):(\d\d):(\d\d)(?:\.(\d{6}))?)?(?:([+-])(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{6}))?)?)?( fold)?(?: \[(.*)\])?$/

function parsedText(tag: string, text: string): object {
  const match = shape.exec(text)
  if (match === null) throw new TypeError(`no time of these tests: ${text}`)
  const [year, month, day, hour, minute, second, micros] = match.slice(1, 8).map((part) => Number(part ?? 0)) as [number, number, number, number, number, number, number]
  if (tag === '$date') return new PyDate(year, month, day)
  const zone = zoneOf(match)
  const fold = match[13] === undefined ? 0 : 1
  if (tag === '$time') return new PyTime(hour, minute, second, micros, zone, fold)
  const wall = BigInt(new Date(0).setUTCFullYear(year, month - 1, day) + ((hour * 60 + minute) * 60 + second) * 1000) * 1000n + BigInt(micros)
  const utc = wall - (zone === null ? 0n : microsOf(zone.offset))
  const rest = ((utc % 1000n) + 1000n) % 1000n
  const time = Number((utc - rest) / 1000n)
  return zone?.isUtc && rest === 0n && fold === 0 ? new Date(time) : new PyDateTime(time, { microseconds: Number(rest), timezone: zone, fold })
}

function zoneOf([, , , , , , , , sign, hours, minutes, seconds, micros, , name]: RegExpExecArray): PyTimezone | null {
  if (sign === undefined) return null
  const positive = ((BigInt(hours ?? 0) * 60n + BigInt(minutes ?? 0)) * 60n + BigInt(seconds ?? 0)) * 1_000_000n + BigInt(micros ?? 0)
  const offset = sign === '-' ? -positive : positive
  const day = 86_400_000_000n
  const rest = (offset + day) % day
  return new PyTimezone(new PyTimeDelta(offset < 0n ? -1 : 0, Number(rest / 1_000_000n), Number(rest % 1_000_000n)), name)
}
