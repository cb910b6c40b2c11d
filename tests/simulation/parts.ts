/** Uploads by parts through the layers of the simulation. */
import type { CallOptions, PartUploads } from '../../src/store/object-store.js'

/** All calls, passed on as they are; for layers that change some of them. */
export function passedOn(parts: PartUploads): PartUploads {
  return {
    minPartSize: parts.minPartSize,
    maxParts: parts.maxParts,
    begin: (key, layout, options) => parts.begin(key, layout, options),
    put: (upload, part, bytes, options) => parts.put(upload, part, bytes, options),
    complete: (upload, all, options) => parts.complete(upload, all, options),
    abort: (upload, options) => parts.abort(upload, options),
    list: (prefix, options) => parts.list(prefix, options),
    listParts: (upload, options) => parts.listParts(upload, options),
  }
}

/** How a layer treats a call: all but listings, and listings. */
export interface Layer {
  call: <T>(operation: 'beginUpload' | 'putPart' | 'completeUpload' | 'abortUpload', key: string, options: CallOptions | undefined, act: () => Promise<T>) => Promise<T>
  walk: <T>(operation: 'listUploads' | 'listParts', key: string, options: CallOptions | undefined, open: () => AsyncIterable<T>) => AsyncIterable<T>
}

export function partsThrough(parts: PartUploads, { call, walk }: Layer): PartUploads {
  return {
    minPartSize: parts.minPartSize,
    maxParts: parts.maxParts,
    begin: (key, layout, options) => call('beginUpload', key, options, () => parts.begin(key, layout, options)),
    put: (upload, part, bytes, options) => call('putPart', upload.key, options, () => parts.put(upload, part, bytes, options)),
    complete: (upload, all, options) => call('completeUpload', upload.key, options, () => parts.complete(upload, all, options)),
    abort: (upload, options) => call('abortUpload', upload.key, options, () => parts.abort(upload, options)),
    list: (prefix, options) => walk('listUploads', prefix, options, () => parts.list(prefix, options)),
    listParts: (upload, options) => walk('listParts', upload.key, options, () => parts.listParts(upload, options)),
  }
}

/** The same calls without their signal: a server doesn't hear that a client gave up. */
export function unheard(parts: PartUploads): PartUploads {
  const deaf = <T extends CallOptions>(options: T | undefined) => ({ ...options, signal: undefined })
  return {
    ...passedOn(parts),
    begin: (key, layout, options) => parts.begin(key, layout, deaf(options)),
    put: (upload, part, bytes, options) => parts.put(upload, part, bytes, deaf(options)),
    complete: (upload, all, options) => parts.complete(upload, all, deaf(options)),
    abort: (upload) => parts.abort(upload),
    list: (prefix) => parts.list(prefix),
    listParts: (upload) => parts.listParts(upload),
  }
}
