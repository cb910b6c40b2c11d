import { FormatError } from '../../base/error.js'

/** How deep values may nest in a pickle that is read. */
export const MAX_PICKLE_READ_DEPTH = 10_000

interface Open {
  readonly value: object
  readonly children: Iterator<unknown>
  /** Levels beneath, as far as seen. */
  height: number
}

/**
 * Refuses what nests too deep for programs that go down it by recursion. What is shared counts where it is deepest, a way
 * back to what contains it ends there.
 */
export function checkNesting(root: unknown): void {
  const heights = new Map<object, number>()
  const open: Open[] = []
  enter(root)
  while (open.length > 0) {
    const top = open[open.length - 1] as Open
    const next = top.children.next()
    if (!next.done) {
      top.height = Math.max(top.height, enter(next.value) + 1)
    } else {
      open.pop()
      heights.set(top.value, top.height)
      const parent = open[open.length - 1]
      if (parent) parent.height = Math.max(parent.height, top.height + 1)
    }
    if (open.length + top.height > MAX_PICKLE_READ_DEPTH) throw new FormatError(`it is nested deeper than ${MAX_PICKLE_READ_DEPTH} levels.`)
  }

  function enter(value: unknown): number {
    const children = childrenOf(value)
    if (children === undefined) return 0
    const known = heights.get(value as object)
    if (known !== undefined) return known
    heights.set(value as object, 0)
    open.push({ value: value as object, children, height: 0 })
    return 0
  }
}

function childrenOf(value: unknown): Iterator<unknown> | undefined {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return undefined
  if (Array.isArray(value)) return value[Symbol.iterator]()
  if (value instanceof Set) return value[Symbol.iterator]()
  if (value instanceof Map) return keysAndValues(value)
  return Object.getPrototypeOf(value) === Object.prototype ? Object.values(value)[Symbol.iterator]() : undefined
}

function* keysAndValues(map: ReadonlyMap<unknown, unknown>): Generator<unknown> {
  for (const [key, value] of map) {
    yield key
    yield value
  }
}
