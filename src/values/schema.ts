import type { StandardSchemaV1 } from '@standard-schema/spec'
import { InvalidArgumentError } from '../base/error.js'
import { AsyncSchemaError, SchemaError } from './errors.js'

/** Options that give values a type that is checked. */
export interface SchemaOptions<V> {
  /**
   * What values have to be: a schema of any library that follows Standard Schema (zod, valibot, arktype …). Values are
   * validated before they are written, and what the schema makes of them (defaults, transforms) is what is stored. One
   * that doesn't fit gives a SchemaError, and nothing is changed. The schema has to be synchronous.
   */
  schema?: StandardSchemaV1<unknown, V> | undefined
  /**
   * Whether values are validated as they are read, too: give it for databases that others write to. A reader gets what the
   * schema makes of the stored value, so a schema that transforms has to accept its own output. Default false.
   */
  validateReads?: boolean | undefined
}

/** Options with a schema from which the type of values follows. The schema isn't compared with itself: large types take long. */
export type WithSchema<O extends object, S extends StandardSchemaV1> = Omit<O, 'schema'> & { schema: S }

/** @throws InvalidArgumentError for what is no Standard Schema, and for `validateReads` without one */
export function checkSchemaOptions({ schema, validateReads }: SchemaOptions<unknown>): void {
  if (validateReads !== undefined && typeof validateReads !== 'boolean') throw new InvalidArgumentError('validateReads has to be true or false')
  if (schema === undefined) {
    if (validateReads === true) throw new InvalidArgumentError('validateReads needs the option schema')
    return
  }
  const isObject = (typeof schema === 'object' && schema !== null) || typeof schema === 'function'
  const standard: Partial<StandardSchemaV1.Props> | undefined = isObject ? (schema as Partial<StandardSchemaV1>)['~standard'] : undefined
  if (standard?.version !== 1 || typeof standard.validate !== 'function') {
    throw new InvalidArgumentError('the option schema takes a Standard Schema of version 1, as zod (from 3.24), valibot (from 1.0) and arktype (from 2.0) make them')
  }
}

/**
 * What the schema makes of a value.
 * @throws SchemaError, AsyncSchemaError
 */
export function validated<V>(schema: StandardSchemaV1<unknown, V>, value: unknown, key: unknown, operation: 'write' | 'read'): V {
  let result: StandardSchemaV1.Result<V> | Promise<StandardSchemaV1.Result<V>>
  try {
    result = schema['~standard'].validate(value)
  } catch (cause) {
    throw new SchemaError(key, operation, [], { cause })
  }
  if (result instanceof Promise || typeof (result as unknown as PromiseLike<unknown>).then === 'function') {
    // What comes of it is nobody's business any more, its failure neither.
    Promise.resolve(result).catch(() => undefined)
    throw new AsyncSchemaError(key)
  }
  if (result.issues) throw new SchemaError(key, operation, result.issues)
  return result.value
}
