import { createHash } from 'node:crypto'

/** The MD5 in hexadecimal digits: what stores verify, and what most of them give as ETag. */
export function md5Of(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex')
}
