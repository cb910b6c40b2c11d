import { InvalidArgumentError } from '../base/error.js'
import { type NamedSerializer, resolveSerializer } from '../serializers/index.js'
import { ValueCodec } from '../values/index.js'
import { BookletBase } from './base.js'
import { type Opened, openFile, type Source } from './open.js'
import { bucketsOf, checkOptions, type FixedBookletOptions, serializerForExisting, serializerForNew } from './options.js'

/**
 * A `Map` in a file whose values all have the same number of bytes. It knows no timestamps, metadata or
 * reserved slots. Made by `openFixedBooklet`.
 */
export class FixedBooklet<K = string> extends BookletBase<K, Uint8Array> {
  /** @internal */
  constructor(opened: Opened, path: string | undefined, keys: NamedSerializer<K>) {
    super(opened, path, keys, new ValueCodec(resolveSerializer<Uint8Array>('bytes')))
  }

  get [Symbol.toStringTag](): string {
    return 'FixedBooklet'
  }

  /** Bytes of each value. */
  get valueLength(): number {
    return this.engine.layout.valueLength
  }
}

/**
 * Opens or creates a booklet file of fixed-length values.
 *
 * @param source a path, the bytes of a file (copied before they are changed; get them back with
 *   `toBytes`), or null for a new one in memory
 * @throws InvalidArgumentError, FileNotFoundError, FileLockedError, FileNotClosedError (only for flag `r`),
 *   WrongFileTypeError, UnsupportedVersionError, FormatError
 */
export function openFixedBooklet<K = string>(source: string | Uint8Array | null, options: FixedBookletOptions<K> = {}): FixedBooklet<K> {
  return openFixedBookletOn(source, options)
}

/** The same on a made-up disk too. @internal */
export function openFixedBookletOn<K = string>(source: Source, options: FixedBookletOptions<K> = {}): FixedBooklet<K> {
  const untyped = options as FixedBookletOptions<never>
  checkOptions(untyped)
  const flag = options.flag ?? (source === null ? 'n' : 'r')
  if (flag === 'n' && options.valueLength === undefined && options.initBytes === undefined) {
    throw new InvalidArgumentError('a new fixed-length booklet needs valueLength, the bytes of each value')
  }
  const opened = openFile(source, untyped, {
    kind: 'fixed',
    buckets: bucketsOf(untyped),
    keySerializer: serializerForNew<K>(options.keySerializer, 'str').code,
    valueSerializer: 0,
    valueLength: options.valueLength ?? 0,
    timestamps: false,
    initBytes: options.initBytes,
  })
  try {
    const { header } = opened.engine
    if (options.valueLength !== undefined && options.valueLength !== header.valueLength) {
      throw new InvalidArgumentError(`valueLength is ${options.valueLength}, but the values of this file have ${header.valueLength} bytes; leave the option out`)
    }
    const keys = serializerForExisting<K>(options.keySerializer, header.keySerializer, 'keySerializer')
    return new FixedBooklet<K>(opened, typeof source === 'string' ? source : undefined, keys)
  } catch (error) {
    opened.engine.file.close()
    throw error
  }
}
