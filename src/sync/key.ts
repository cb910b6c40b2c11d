import { utf8Encode } from '../base/bytes.js'
import { InvalidArgumentError } from '../base/error.js'
import { MAX_KEY_BYTES } from '../format/group.js'
import { isInternalKey } from '../format/internal-keys.js'

/** Refuses what can't be a key, before anything is changed. @throws InvalidArgumentError */
export function checkKey(key: string): void {
  if (typeof key !== 'string') throw new InvalidArgumentError(`a key has to be a string, not ${typeof key}`)
  if (!key.isWellFormed()) throw new InvalidArgumentError('the key holds a lone surrogate and has no UTF-8 form')
  const bytes = utf8Encode(key)
  if (bytes.length > MAX_KEY_BYTES) throw new InvalidArgumentError(`the key has ${bytes.length} bytes; ${MAX_KEY_BYTES} are possible`)
  if (isInternalKey(bytes)) throw new InvalidArgumentError('the file keeps this key for itself; use another, or the property metadata')
}
