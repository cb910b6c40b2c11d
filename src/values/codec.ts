import type { StandardSchemaV1 } from '@standard-schema/spec'
import { InvalidArgumentError } from '../base/error.js'
import { limitSerializer, type NamedSerializer } from '../serializers/index.js'
import { type SchemaOptions, validated } from './schema.js'

/** How another thread can decode a value: the serializer by its name, which travels. */
export interface NamedDecoding {
  serializer: string
  /** The most bytes of a value; undefined: the serializer's own limit. */
  maxValueBytes: number | undefined
}

export interface CodecOptions<V> extends SchemaOptions<V> {
  /** The most bytes of a value that is read. */
  maxValueBytes?: number | undefined
}

/**
 * What lies between the values of users and the bytes that are stored: the schema, then the serializer.
 * `I` is what may be written, `V` what is stored and read.
 */
export class ValueCodec<V, I = V> {
  /** The name of the serializer. */
  readonly name: string
  readonly #serializer: NamedSerializer<V>
  readonly #schema: StandardSchemaV1<unknown, V> | undefined
  readonly #readSchema: StandardSchemaV1<unknown, V> | undefined
  readonly #maxValueBytes: number | undefined

  constructor(serializer: NamedSerializer<V>, options: CodecOptions<V> = {}) {
    const { schema, validateReads, maxValueBytes } = options
    this.name = serializer.name
    this.#serializer = limitSerializer(serializer, maxValueBytes)
    this.#schema = schema
    this.#readSchema = validateReads ? schema : undefined
    this.#maxValueBytes = maxValueBytes
  }

  /** Whether reading asks the schema, too. */
  get validatesReads(): boolean {
    return this.#readSchema !== undefined
  }

  /** Whether a decoded value may be, or hold, the bytes that it was decoded from. */
  get keepsBytes(): boolean {
    return this.#serializer.keepsBytes
  }

  /** @throws SchemaError, AsyncSchemaError, SerializationError, InvalidArgumentError for undefined */
  encode(value: I, key: unknown): Uint8Array {
    const stored: unknown = this.#schema === undefined ? value : validated(this.#schema, value, key, 'write')
    if (stored === undefined) throw new InvalidArgumentError('undefined is no value: delete the key instead')
    return this.#serializer.encode(stored as V)
  }

  /** @throws DeserializationError; with `validateReads` SchemaError, AsyncSchemaError */
  decode(bytes: Uint8Array, key: unknown): V {
    const value = this.#serializer.decode(bytes)
    return this.#readSchema === undefined ? value : validated(this.#readSchema, value, key, 'read')
  }

  /** How another thread comes to the same values; undefined where only this one can: functions of the caller don't travel. */
  get elsewhere(): NamedDecoding | undefined {
    if (this.#serializer.code === 0 || this.#readSchema !== undefined) return undefined
    return { serializer: this.name, maxValueBytes: this.#maxValueBytes }
  }
}
