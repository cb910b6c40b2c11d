/**
 * Turns values into bytes and back. A custom one needs just these two functions; it isn't recorded in
 * the file (code 0), so the same one has to be given again at each open.
 */
export interface Serializer<T> {
  encode(value: T): Uint8Array
  decode(bytes: Uint8Array): T
}

/** A serializer with its name and its code in the file header. */
export interface NamedSerializer<T> extends Serializer<T> {
  /** As in Python, for example `orjson_zstd`; `custom` for one that the caller wrote. */
  readonly name: string
  /** The code of the header's serializer fields; 0 for a custom one. */
  readonly code: number
  /** Whether what is decoded may be, or hold, the bytes that it was decoded from. */
  readonly keepsBytes: boolean
}
