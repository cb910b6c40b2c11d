import type { ObjectStore } from '../../src/store/object-store.js'

export type CallKind = 'get' | 'head' | 'put' | 'delete' | 'list' | 'listVersions' | 'copy' | 'beginUpload' | 'putPart' | 'completeUpload' | 'abortUpload' | 'listUploads' | 'listParts'

export interface CallCounts {
  calls: Record<CallKind, number>
  /** Body bytes that went to the store and that came from it. */
  bytesUp: number
  bytesDown: number
  reset(): void
}

/** A store with counters: how many calls of each kind, and how many bytes. Failed calls count too. */
export function countingStore(store: ObjectStore): { store: ObjectStore; counts: CallCounts } {
  const zero = (): Record<CallKind, number> => ({ get: 0, head: 0, put: 0, delete: 0, list: 0, listVersions: 0, copy: 0, beginUpload: 0, putPart: 0, completeUpload: 0, abortUpload: 0, listUploads: 0, listParts: 0 })
  const counts: CallCounts = {
    calls: zero(),
    bytesUp: 0,
    bytesDown: 0,
    reset() {
      Object.assign(this, { calls: zero(), bytesUp: 0, bytesDown: 0 })
    },
  }
  const { parts } = store
  return {
    counts,
    store: {
      name: store.name,
      writable: store.writable,
      place: store.place,
      parts: parts && {
        minPartSize: parts.minPartSize,
        maxParts: parts.maxParts,
        begin(key, layout, options) {
          counts.calls.beginUpload++
          return parts.begin(key, layout, options)
        },
        put(upload, part, bytes, options) {
          counts.calls.putPart++
          counts.bytesUp += bytes.length
          return parts.put(upload, part, bytes, options)
        },
        complete(upload, all, options) {
          counts.calls.completeUpload++
          return parts.complete(upload, all, options)
        },
        abort(upload, options) {
          counts.calls.abortUpload++
          return parts.abort(upload, options)
        },
        list(prefix, options) {
          counts.calls.listUploads++
          return parts.list(prefix, options)
        },
        listParts(upload, options) {
          counts.calls.listParts++
          return parts.listParts(upload, options)
        },
      },
      async get(key, options) {
        counts.calls.get++
        const result = await store.get(key, options)
        if (result.status === 'ok') counts.bytesDown += result.bytes.length
        return result
      },
      head(key, options) {
        counts.calls.head++
        return store.head(key, options)
      },
      put(key, body, options) {
        counts.calls.put++
        counts.bytesUp += body.length
        return store.put(key, body, options)
      },
      delete(targets, options) {
        counts.calls.delete++
        return store.delete(targets, options)
      },
      list(prefix, options) {
        counts.calls.list++
        return store.list(prefix, options)
      },
      listVersions(prefix, options) {
        counts.calls.listVersions++
        return store.listVersions(prefix, options)
      },
      copy(sourceKey, targetKey, options) {
        counts.calls.copy++
        return store.copy(sourceKey, targetKey, options)
      },
      close: () => store.close(),
    },
  }
}
