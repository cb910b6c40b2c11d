import { startS3Server, type S3Server, type S3ServerOptions } from '../../dev/s3-server/index.js'
import type { S3StoreOptions } from '../../src/store/s3/options.js'
import { S3Store } from '../../src/store/s3/s3-store.js'
import { objectStoreConformance, type ConformanceBucket } from './conformance.js'

async function bucket(server: S3ServerOptions, options: Partial<S3StoreOptions> = {}): Promise<ConformanceBucket> {
  const running = await startS3Server(server)
  const open = (name: string) => storeOn(running, { bucket: name, ...options })
  return { open: () => open('one'), missing: () => open('none'), dispose: () => running.close() }
}

function storeOn(server: S3Server, options: S3StoreOptions): S3Store {
  const { accessKeyId, secretAccessKey } = server
  return new S3Store({ endpoint: server.endpoint, credentials: { accessKeyId, secretAccessKey }, region: 'us-east-1', ...options })
}

objectStoreConformance('S3', () => bucket({ buckets: ['one'] }))

objectStoreConformance('S3, versioned, small pages', () => bucket({ buckets: [{ name: 'one', versioned: true }] }, { pageSize: 7 }), {
  versions: true,
  pagingObjects: 60,
})
