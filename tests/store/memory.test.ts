import { describe, expect, test } from 'vitest'
import { MemoryBucket, MemoryStore } from '../../src/store/memory-store.js'
import { objectStoreConformance } from './conformance.js'

/* Its buckets are objects of this process, so none can be missing. */
const missingBuckets = false

objectStoreConformance(
  'memory',
  () => {
    const bucket = new MemoryBucket()
    return Promise.resolve({ open: () => new MemoryStore({ bucket }) })
  },
  { missingBuckets },
)

objectStoreConformance(
  'memory, versioned',
  () => {
    const bucket = new MemoryBucket({ versioned: true })
    return Promise.resolve({ open: () => new MemoryStore({ bucket }) })
  },
  { versions: true, missingBuckets },
)

objectStoreConformance(
  'memory, opaque ETags',
  () => {
    const bucket = new MemoryBucket({ etags: 'opaque' })
    return Promise.resolve({ open: () => new MemoryStore({ bucket }) })
  },
  { missingBuckets },
)

describe('memory store', () => {
  test('the ETag is the MD5 of the body, as on S3', async () => {
    const store = new MemoryStore()
    expect((await store.put('k', new TextEncoder().encode('1'))).etag).toBe('c4ca4238a0b923820dcc509a6f75849b')
  })
})
