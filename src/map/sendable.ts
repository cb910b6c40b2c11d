/** How deep values are looked into, and at how many parts of them; what goes beyond is tried. */
const deepest = 20
const mostParts = 100_000

/** What can't go to another thread, told in words. */
export class NotSendable extends TypeError {}

interface Sum {
  bytes: number
  parts: number
}

/**
 * About how many bytes a value takes on its way to another thread. Asked before it is sent: sending fails late and takes the
 * worker with it, and makes plain objects of instances of classes without a word.
 *
 * @throws NotSendable
 */
export function sizeToSend(value: unknown): number {
  const sum = { bytes: 0, parts: 0 }
  if (!add(value, 0, sum)) {
    try {
      structuredClone(value)
    } catch (cause) {
      throw new NotSendable(`it can not leave its thread: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
    }
  }
  return sum.bytes
}

/* False where it was too much to look at. */
function add(value: unknown, depth: number, sum: Sum): boolean {
  sum.bytes += 8
  if (typeof value === 'string') sum.bytes += value.length
  if (typeof value === 'function' || typeof value === 'symbol') throw new NotSendable(`a ${typeof value} can not leave its thread`)
  if (value === null || typeof value !== 'object') return true
  if (depth >= deepest || sum.parts++ >= mostParts) return false
  return partsOf(value, sum).every((part) => add(part, depth + 1, sum))
}

function partsOf(value: object, sum: Sum): unknown[] {
  if (Array.isArray(value)) return value
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) return Object.values(value)
  if (ArrayBuffer.isView(value)) {
    // A view takes all the memory along that it looks at.
    sum.bytes += value.buffer.byteLength
    return []
  }
  if (prototype === Map.prototype) return [...(value as Map<unknown, unknown>)].flat()
  if (prototype === Set.prototype) return [...(value as Set<unknown>)]
  if (value instanceof ArrayBuffer) sum.bytes += value.byteLength
  else if (!arriving.some((type) => value instanceof type)) {
    const { name } = value.constructor as { name?: unknown }
    throw new NotSendable(`an instance of the class ${String(name)} would arrive in the other thread as a plain object: give its values`)
  }
  return []
}

/* Those that the structured clone algorithm knows. Errors lose their names, no more. */
const arriving = [Date, RegExp, Error, Boolean, Number, String, BigInt, SharedArrayBuffer]
