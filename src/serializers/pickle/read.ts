import { FormatError } from '../../base/error.js'
import { setOwn } from '../../format/json.js'
import { Callable, checkHashable, CopyBudget, findCallable, makeSet, PickledClassError } from './calls.js'
import { checkNesting, MAX_PICKLE_READ_DEPTH } from './nesting.js'
import { asciiOnly, decodePythonText, decodeQuoted, decodeRawEscapes, parseFloatText, parseInteger, twosComplement } from './text.js'
import { PyByteArray, PyFrozenSet, PyTuple } from './values.js'

/**
 * Reads one pickle of any protocol. Nothing is executed: the few names that plain values need lead to code of ours.
 *
 * Whether a dict is an object or a Map is known only when its last key was seen, and it may be referred to long before.
 * So where a key that is no string turns up, the pickle is read once more, with what was found.
 */
export function readPickle(bytes: Uint8Array): unknown {
  const maps = new Set<number>()
  let value = new PickleReader(bytes, maps).run()
  if (maps.size > 0) value = new PickleReader(bytes, maps).run()
  // A level takes a byte at least.
  if (bytes.length > MAX_PICKLE_READ_DEPTH) checkNesting(value)
  return value
}

type Operation = (reader: PickleReader) => void

/** The stack machine that a pickle is a program for. */
export class PickleReader {
  at = 0
  readonly #view: DataView
  readonly #stack: unknown[] = []
  /** Where in the stack a group of items begins. */
  readonly #marks: number[] = []
  readonly #memo = new Map<number, unknown>()
  readonly #copies: CopyBudget
  /** The number of each dict, in the order in which they are made. */
  readonly #dicts = new Map<unknown, number>()
  #stopped = false

  /** @param maps the numbers of the dicts that are to be a Map; more are found while reading */
  constructor(
    private readonly bytes: Uint8Array,
    private readonly maps: Set<number>,
  ) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#copies = new CopyBudget(bytes.length)
  }

  run(): unknown {
    while (!this.#stopped) {
      const code = this.uint(1)
      const operation = operations[code]
      if (operation === undefined) this.fail(`the operation ${code.toString(16).padStart(2, '0')} is not in use`)
      operation(this)
    }
    if (this.at !== this.bytes.length) this.fail(`${this.bytes.length - this.at} bytes follow the end of the value`)
    return this.pop()
  }

  stop(): void {
    this.#stopped = true
  }

  push(value: unknown): void {
    this.#stack.push(value)
  }

  /** The value on top, which may not be a class or function. */
  pop(): unknown {
    const value = this.popAny()
    if (value instanceof Callable) throw new PickledClassError(value.name, 'classes and functions are no plain values')
    return value
  }

  popAny(): unknown {
    this.top()
    return this.#stack.pop()
  }

  top(): unknown {
    if (this.#stack.length <= (this.#marks[this.#marks.length - 1] ?? 0)) this.fail('a value is missing')
    return this.#stack[this.#stack.length - 1]
  }

  mark(): void {
    this.#marks.push(this.#stack.length)
  }

  popToMark(): unknown[] {
    const start = this.#marks.pop()
    if (start === undefined) return this.fail('a mark is missing')
    const items = this.#stack.splice(start)
    for (const item of items) if (item instanceof Callable) throw new PickledClassError(item.name, 'classes and functions are no plain values')
    return items
  }

  /** Drops the value on top, or the mark where there is none above it. */
  drop(): void {
    if (this.#marks[this.#marks.length - 1] === this.#stack.length) this.#marks.pop()
    else this.popAny()
  }

  memoize(slot: number = this.#memo.size): void {
    this.#memo.set(slot, this.top())
  }

  recall(slot: number): void {
    if (!this.#memo.has(slot)) this.fail('it refers to a value that is not there')
    this.push(this.#memo.get(slot))
  }

  newDict(items: readonly unknown[]): void {
    const number = this.#dicts.size
    const dict = this.maps.has(number) ? new Map<unknown, unknown>() : {}
    this.#dicts.set(dict, number)
    this.push(dict)
    this.setItems(items)
  }

  /** Keys and values by turns, into the dict on top. */
  setItems(items: readonly unknown[]): void {
    const dict = this.top()
    const number = this.#dicts.get(dict)
    if (number === undefined || items.length % 2 !== 0) return this.fail('items are set where there is no dict, or a value is missing')
    for (let i = 0; i < items.length; i += 2) {
      const key = checkHashable(items[i])
      if (dict instanceof Map) dict.set(key, items[i + 1])
      else if (typeof key === 'string') setOwn(dict as Record<string, unknown>, key, items[i + 1])
      else this.maps.add(number)
    }
  }

  append(items: readonly unknown[]): void {
    const list = this.top()
    if (!Array.isArray(list) || list instanceof PyTuple) return this.fail('an item is appended where there is no list')
    for (const item of items) list.push(item)
  }

  addItems(items: readonly unknown[]): void {
    const set = this.top()
    if (!(set instanceof Set) || set instanceof PyFrozenSet) return this.fail('an item is added where there is no set')
    makeSet(set, items)
  }

  tuple(items: readonly unknown[]): void {
    this.push(tupleOf(items))
  }

  popItems(count: number): unknown[] {
    const items = Array.from({ length: count }, () => this.pop())
    return items.reverse()
  }

  global(module: unknown, name: unknown): void {
    if (typeof module !== 'string' || typeof name !== 'string') return this.fail('a class without a name')
    this.push(findCallable(module, name))
  }

  call(): void {
    const args = this.pop()
    const callable = this.popAny()
    if (!(callable instanceof Callable) || !(args instanceof PyTuple)) return this.fail('something is called that is no class')
    this.push(callable.call(args, this.#copies))
  }

  uint(width: 1 | 2 | 4): number {
    const at = this.#take(width)
    return width === 1 ? this.#view.getUint8(at) : width === 2 ? this.#view.getUint16(at, true) : this.#view.getUint32(at, true)
  }

  int32(): number {
    return this.#view.getInt32(this.#take(4), true)
  }

  float64(): number {
    return this.#view.getFloat64(this.#take(8))
  }

  length64(): number {
    return Number(this.#view.getBigUint64(this.#take(8), true))
  }

  /** Bytes in the memory of the pickle. */
  view(length: number): Uint8Array {
    const start = this.#take(length)
    return this.bytes.subarray(start, start + length)
  }

  copy(length: number): Uint8Array {
    return new Uint8Array(this.view(length))
  }

  text(length: number): string {
    return decodePythonText(this.view(length))
  }

  /** The text up to the end of the line, in Latin-1. */
  line(): string {
    const end = this.bytes.indexOf(0x0a, this.at)
    if (end < 0) return this.fail('it is cut short')
    let text = ''
    for (const byte of this.view(end - this.at)) text += String.fromCharCode(byte)
    this.at = end + 1
    return text
  }

  /** The number of a slot in the memo, as a line. */
  slot(): number {
    const number = Number(parseInteger(this.line()))
    return Number.isSafeInteger(number) && number >= 0 ? number : this.fail('it refers to a value that is not there')
  }

  fail(what: string): never {
    throw new FormatError(`not a valid pickle at byte ${this.at}: ${what}.`)
  }

  #take(length: number): number {
    const start = this.at
    if (length > this.bytes.length - start) this.fail('it is cut short, or a length is wrong')
    this.at = start + length
    return start
  }
}

function tupleOf(items: readonly unknown[]): PyTuple {
  const tuple = new PyTuple()
  for (const item of items) tuple.push(item)
  return tuple
}

function lineOfInteger(line: string): unknown {
  if (line === '00') return false
  return line === '01' ? true : parseInteger(line)
}

function refuse(what: string): Operation {
  return () => {
    throw new PickledClassError(what)
  }
}

const operations: readonly (Operation | undefined)[] = table({
  // The frame of a pickle
  0x80: r => void (r.uint(1) <= 5 || r.fail('it is of a protocol beyond 5')),
  0x95: r => {
    const length = r.length64()
    r.view(length)
    r.at -= length
  },
  0x2e: r => r.stop(),
  // Single values
  0x4e: r => r.push(null),
  0x88: r => r.push(true),
  0x89: r => r.push(false),
  0x49: r => r.push(lineOfInteger(r.line())),
  0x4c: r => r.push(parseInteger(r.line().replace(/L$/, ''))),
  0x4a: r => r.push(r.int32()),
  0x4b: r => r.push(r.uint(1)),
  0x4d: r => r.push(r.uint(2)),
  0x8a: r => r.push(twosComplement(r.view(r.uint(1)))),
  0x8b: r => r.push(twosComplement(r.view(r.uint(4)))),
  0x46: r => r.push(parseFloatText(r.line())),
  0x47: r => r.push(r.float64()),
  0x53: r => r.push(decodeQuoted(r.line())),
  0x54: r => r.push(asciiOnly(r.text(r.uint(4)))),
  0x55: r => r.push(asciiOnly(r.text(r.uint(1)))),
  0x56: r => r.push(decodeRawEscapes(r.line())),
  0x58: r => r.push(r.text(r.uint(4))),
  0x8c: r => r.push(r.text(r.uint(1))),
  0x8d: r => r.push(r.text(r.length64())),
  0x42: r => r.push(r.copy(r.uint(4))),
  0x43: r => r.push(r.copy(r.uint(1))),
  0x8e: r => r.push(r.copy(r.length64())),
  0x96: r => r.push(PyByteArray.from(r.view(r.length64()))),
  // Containers
  0x28: r => r.mark(),
  0x30: r => r.drop(),
  0x31: r => void r.popToMark(),
  0x32: r => r.push(r.top()),
  0x5d: r => r.push([]),
  0x6c: r => r.push(r.popToMark()),
  0x61: r => r.append([r.pop()]),
  0x65: r => r.append(r.popToMark()),
  0x29: r => r.tuple([]),
  0x74: r => r.tuple(r.popToMark()),
  0x85: r => r.tuple(r.popItems(1)),
  0x86: r => r.tuple(r.popItems(2)),
  0x87: r => r.tuple(r.popItems(3)),
  0x7d: r => r.newDict([]),
  0x64: r => r.newDict(r.popToMark()),
  0x73: r => r.setItems(r.popItems(2)),
  0x75: r => r.setItems(r.popToMark()),
  0x8f: r => r.push(new Set()),
  0x90: r => r.addItems(r.popToMark()),
  0x91: r => r.push(makeSet(new PyFrozenSet(), r.popToMark())),
  // The memo
  0x70: r => r.memoize(r.slot()),
  0x71: r => r.memoize(r.uint(1)),
  0x72: r => r.memoize(r.uint(4)),
  0x94: r => r.memoize(),
  0x67: r => r.recall(r.slot()),
  0x68: r => r.recall(r.uint(1)),
  0x6a: r => r.recall(r.uint(4)),
  // Classes, which are named, and functions, which are called
  0x63: r => r.global(r.line(), r.line()),
  0x93: r => {
    const name = r.pop()
    r.global(r.pop(), name)
  },
  0x52: r => r.call(),
  0x69: r => r.global(r.line(), `${r.line()} (an instance)`),
  0x6f: refuse('a class (an instance)'),
  0x81: refuse('a class (made by __new__)'),
  0x92: refuse('a class (made by __new__)'),
  0x62: refuse('a class (with a state)'),
  0x82: refuse('the extension registry'),
  0x83: refuse('the extension registry'),
  0x84: refuse('the extension registry'),
  0x50: refuse('a store outside of it (a persistent id)'),
  0x51: refuse('a store outside of it (a persistent id)'),
  0x97: refuse('a buffer outside of it'),
  0x98: refuse('a buffer outside of it'),
})

function table(named: Readonly<Record<number, Operation>>): (Operation | undefined)[] {
  return Array.from({ length: 256 }, (_, code) => named[code])
}
