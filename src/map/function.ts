import { Script } from 'node:vm'
import { InvalidArgumentError } from '../base/error.js'
import { MapFunctionError } from './errors.js'

/** What a function of a map gives: a new pair, or null for nothing. */
export type MapResult<NK, NV> = readonly [NK, NV] | null

/**
 * A function of a map. It is taken to other threads as its source text, so it sees nothing of what surrounds it: no
 * imports, no variables, no `this`. What it needs has to stand inside it (`await import('node:crypto')` works), or give
 * it as a module.
 */
export type MapFunction<K, V, NK, NV> = (key: K, value: V) => MapResult<NK, NV> | Promise<MapResult<NK, NV>>

/** A function of a map that a module exports: `{ module: new URL('./double.js', import.meta.url), name: 'double' }`. */
export interface MapModule {
  /** An absolute URL that Node can import (`file:`, `data:`). */
  module: URL | string
  /** The name of the export. Default: `default`. */
  name?: string
}

/** A function as it travels to a worker. */
export type PortableFunction = { kind: 'source'; source: string } | { kind: 'module'; url: string; name: string }

/**
 * The form in which a function travels.
 * @throws InvalidArgumentError, MapFunctionError
 */
export function portable(fn: unknown): PortableFunction {
  if (typeof fn === 'function') return { kind: 'source', source: sourceOf(fn) }
  if (typeof fn !== 'object' || fn === null || !('module' in fn)) {
    throw new InvalidArgumentError('map takes a function, or { module: new URL(…), name } for one that a module exports')
  }
  const { module, name = 'default' } = fn as Partial<MapModule>
  if (typeof name !== 'string' || name === '') throw new InvalidArgumentError('the name of the function of a map is the name of an export, a string')
  return { kind: 'module', url: moduleUrl(module), name }
}

function moduleUrl(module: unknown): string {
  const text = module instanceof URL ? module.href : module
  if (typeof text !== 'string' || !URL.canParse(text)) {
    throw new InvalidArgumentError("the module of a map is an absolute URL: new URL('./my-function.js', import.meta.url)")
  }
  const { protocol } = new URL(text)
  if (protocol !== 'file:' && protocol !== 'data:') throw new InvalidArgumentError(`the module of a map is a file: or data: URL, not ${protocol}`)
  return text
}

const otherwise = "write it as a plain function or arrow function that uses nothing from outside, or give { module: new URL('./my-function.js', import.meta.url), name }"

function sourceOf(fn: object): string {
  const source = Function.prototype.toString.call(fn)
  // Native and bound ones show no source; classes and generators are no functions of values.
  if (/\{\s*\[native code\]\s*\}\s*$/.test(source)) throw new MapFunctionError(`a native or bound function has no source that could travel to a worker: ${otherwise}`)
  if (/^class\b/.test(source) || /^(?:async\s+)?function\s*\*/.test(source)) throw new MapFunctionError(`a class or generator is no function of a map: ${otherwise}`)
  try {
    // Compiled, not run: a method, for one, is no expression.
    new Script(`(${source}\n)`)
  } catch (cause) {
    throw new MapFunctionError(`the function of the map is no expression by itself, as methods, getters and setters are not: ${otherwise}`, { cause })
  }
  return source
}
