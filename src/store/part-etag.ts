import { createHash } from 'node:crypto'
import type { UploadedPart } from './object-store.js'

/**
 * The ETag of an object made of these parts, as S3 forms it: the MD5 of the parts' MD5s, and how many there are.
 * Undefined where the parts' ETags are no MD5s, as with encryption by keys of the service.
 */
export function partsEtag(parts: readonly UploadedPart[]): string | undefined {
  const hash = createHash('md5')
  for (const { etag } of parts) {
    if (!/^[0-9a-f]{32}$/.test(etag)) return undefined
    hash.update(etag, 'hex')
  }
  return `${hash.digest('hex')}-${parts.length}`
}
