import { describe, expect, test } from 'vitest'
import { S3Store } from '../../src/store/s3/s3-store.js'
import type { S3StoreOptions } from '../../src/store/s3/options.js'
import { newCephBucket, type RealBucket } from '../support/real-servers.js'
import { describeWithPeers } from '../support/peers.js'
import { objectStoreConformance } from './conformance.js'

const storeOf = (ceph: RealBucket, options: Partial<S3StoreOptions> = {}) =>
  new S3Store({ endpoint: ceph.endpoint, bucket: ceph.bucket, credentials: ceph, region: 'us-east-1', etagQuoting: 'bare', ...options })

describeWithPeers(['ceph'], 'S3 store on Ceph', () => {
  // Gateway 16 copies whatever x-amz-copy-source-if-match says, quoted or not, and completes uploads whatever their condition.
  objectStoreConformance(
    'S3 on Ceph',
    async () => {
      const ceph = await newCephBucket()
      return { open: () => storeOf(ceph), missing: () => storeOf(ceph, { bucket: 'no-such-bucket-here' }) }
    },
    { conditionalCopy: false, conditionalComplete: false },
  )

  // In a versioned bucket gateway 16 ignores If-None-Match, and never finds the ETag of an If-Match.
  objectStoreConformance(
    'S3 on Ceph, versioned, small pages',
    async () => {
      const ceph = await newCephBucket({ versioned: true })
      return { open: () => storeOf(ceph, { pageSize: 7 }), missing: () => storeOf(ceph, { bucket: 'no-such-bucket-here' }) }
    },
    { versions: true, conditionalCopy: false, conditionalPut: false, conditionalComplete: false, pagingObjects: 60 },
  )

  describe('credentials that are wrong', () => {
    const attempt = async (change: Partial<RealBucket>) => {
      const ceph = { ...(await newCephBucket()), ...change }
      const store = storeOf(ceph)
      try {
        return await store.get('k')
      } finally {
        await store.close()
      }
    }

    test('access key', async () => {
      await expect(attempt({ accessKeyId: 'nobody' })).rejects.toMatchObject({ code: 'ACCESS_DENIED', message: expect.stringContaining('accessKeyId') as string })
    })

    test('secret', async () => {
      await expect(attempt({ secretAccessKey: 'wrong-secret' })).rejects.toMatchObject({ code: 'ACCESS_DENIED', message: expect.stringContaining('secretAccessKey') as string })
    })
  })
})
