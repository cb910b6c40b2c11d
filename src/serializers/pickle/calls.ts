import { FormatError } from '../../base/error.js'
import { UnsupportedValueError } from '../errors.js'
import { dateOf, PyDate, PyTime, PyTimeDelta, PyTimezone } from './temporal.js'
import { PyByteArray, PyComplex, PyFrozenSet, PyTuple } from './values.js'

/** A pickle names a class or a function that is no plain value. It was neither looked for nor called. */
export class PickledClassError extends UnsupportedValueError {
  override readonly code = 'PICKLED_CLASS'
  /** The name as in Python, for example `collections.OrderedDict`. */
  readonly className: string
  constructor(className: string, advice = 'only plain values are read, and nothing that a pickle names is ever executed. Read the raw bytes with getBytes, or store plain values') {
    const shown = className.length > 120 ? `${className.slice(0, 120)}…` : className
    super('pickle', `it holds an object of ${shown}; ${advice}.`)
    this.className = shown
  }
}

/** A class or function of Python that may be called here: by code of ours, on values that were read. */
export class Callable {
  constructor(
    readonly name: string,
    readonly call: (args: readonly unknown[], copies: CopyBudget) => unknown,
  ) {}
}

/**
 * What calls may copy: as many items as the pickle has bytes. Nothing that Python writes is copied twice, but a pickle could
 * ask for it a million times.
 */
export class CopyBudget {
  constructor(private left: number) {}

  take(count: number): void {
    this.left -= count
    if (this.left < 0) throw new FormatError('it copies the same values again and again.')
  }
}

const callables = new Map<string, Callable>()
function allow(name: string, call: Callable['call']): void {
  callables.set(name, new Callable(name, call))
}

/** @throws PickledClassError for a name that isn't one of the few */
export function findCallable(module: string, name: string): Callable {
  // The name of the module in Python 2, which protocols 0 to 2 write.
  const full = `${module === '__builtin__' ? 'builtins' : module}.${name}`
  const found = callables.get(full)
  if (found === undefined) throw new PickledClassError(full)
  return found
}

// Sets before protocol 4, bytes before 3, bytearrays before 5.
allow('builtins.set', (args, copies) => makeSet(new Set(), members(args, copies)))
allow('builtins.frozenset', (args, copies) => makeSet(new PyFrozenSet(), members(args, copies)))
allow('builtins.bytes', args => (args.length === 0 ? new Uint8Array() : wrong('bytes')))
allow('builtins.bytearray', (args, copies) => PyByteArray.from(args.length === 0 ? [] : contentOf(args, copies)))
allow('_codecs.encode', (args, copies) => (args.length === 2 && typeof args[0] === 'string' ? contentOf(args, copies) : wrong('encode')))
allow('builtins.complex', ([real, imaginary, ...rest]) => (typeof real === 'number' && typeof imaginary === 'number' && rest.length === 0 ? new PyComplex(real, imaginary) : wrong('complex')))
allow('datetime.date', args => {
  const [high = 0, low = 0, month = 0, day = 0] = packed(args, 4, 1)
  return new PyDate(high * 256 + low, month, day)
})
allow('datetime.time', args => {
  const [hour = 0, minute = 0, second = 0, a = 0, b = 0, c = 0] = packed(args, 6, 2)
  return new PyTime(hour & 0x7f, minute, second, (a << 16) | (b << 8) | c, timezoneOf(args[1]), hour >= 0x80 ? 1 : 0)
})
allow('datetime.datetime', args => {
  const [high = 0, low = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, a = 0, b = 0, c = 0] = packed(args, 10, 2)
  const wall = { year: high * 256 + low, month: month & 0x7f, day, hour, minute, second, microsecond: (a << 16) | (b << 8) | c }
  return dateOf(wall, timezoneOf(args[1]), month >= 0x80 ? 1 : 0)
})
allow('datetime.timedelta', ([days, seconds, microseconds, ...rest]) => {
  if (typeof days !== 'number' || typeof seconds !== 'number' || typeof microseconds !== 'number' || rest.length > 0) return wrong('timedelta')
  return new PyTimeDelta(days, seconds, microseconds)
})
allow('datetime.timezone', ([offset, name, ...rest]) => {
  if (!(offset instanceof PyTimeDelta) || !(name === undefined || typeof name === 'string') || rest.length > 0) return wrong('timezone')
  return new PyTimezone(offset, name)
})

function wrong(name: string): never {
  throw new FormatError(`${name} with arguments that Python does not write.`)
}

function members(args: readonly unknown[], copies: CopyBudget): readonly unknown[] {
  const [list = [], ...rest] = args
  if (!Array.isArray(list) || rest.length > 0) return wrong('set')
  copies.take(list.length)
  return list
}

/** Fills a set with what Python could have in one. */
export function makeSet<S extends Set<unknown>>(set: S, items: readonly unknown[]): S {
  for (const item of items) set.add(checkHashable(item))
  return set
}

/** Refuses what Python has neither as a key nor as a member of a set. */
export function checkHashable<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  const isMutable = value instanceof PyByteArray || value instanceof Map || (value instanceof Set && !(value instanceof PyFrozenSet)) || (Array.isArray(value) && !(value instanceof PyTuple)) || Object.getPrototypeOf(value) === Object.prototype
  if (isMutable) throw new FormatError('a list, dict, set or bytearray is a key or a member of a set, which Python does not allow.')
  return value
}

/** Bytes given as such, or as text of Latin-1. */
function contentOf(args: readonly unknown[], copies: CopyBudget): Uint8Array {
  const [content, encoding] = args
  if (content instanceof Uint8Array && args.length === 1) {
    copies.take(content.length)
    return content
  }
  if (typeof content !== 'string' || args.length !== 2 || (encoding !== 'latin-1' && encoding !== 'latin1')) return wrong('bytes')
  copies.take(content.length)
  return Uint8Array.from(content, char => (char.charCodeAt(0) <= 0xff && char.length === 1 ? char.charCodeAt(0) : wrong('bytes')))
}

/** The state of a date or time: `length` bytes; protocol 2 of Python 2 wrote them as text. */
function packed(args: readonly unknown[], length: number, most: number): Uint8Array {
  const [state] = args
  if (args.length < 1 || args.length > most || !(state instanceof Uint8Array) || state.length !== length) return wrong('a date or time')
  return state
}

function timezoneOf(value: unknown): PyTimezone | null {
  if (value === undefined || value === null) return null
  return value instanceof PyTimezone ? value : wrong('a date or time')
}
