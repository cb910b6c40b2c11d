/** Remotes that count what is asked of them: requests and body bytes, without a clock. */
import { startS3Server } from '../../dev/s3-server/index.js'
import { S3Connection, StoreConnection, type RemoteConnection } from '../../src/index.js'
import { MemoryStore } from '../../src/store/index.js'
import { countingStore } from '../support/counting-store.js'

/** What was asked since the last look. */
export interface Traffic {
  /** How many requests of each kind; kinds without one are left out. */
  requests: Record<string, number>
  /** Requests in all. */
  total: number
  /** Bytes of bodies to the store, and from it; of listings and deletes nothing is counted. */
  up: number
  down: number
}

export interface CountedRemote {
  connect(dbKey: string): RemoteConnection
  take(): Traffic
  close(): Promise<void>
}

function traffic(requests: Record<string, number>, up: number, down: number): Traffic {
  const made = Object.entries(requests).filter(([, count]) => count > 0)
  return { requests: Object.fromEntries(made), total: made.reduce((sum, [, count]) => sum + count, 0), up, down }
}

/** Counted by a wrapper of the store. */
export function countedMemory(): CountedRemote {
  const { store, counts } = countingStore(new MemoryStore())
  return {
    connect: (dbKey) => new StoreConnection(store, dbKey),
    take() {
      const taken = traffic(counts.calls, counts.bytesUp, counts.bytesDown)
      counts.reset()
      return taken
    },
    close: () => store.close(),
  }
}

const kinds: Readonly<Record<string, string>> = {
  GetObject: 'get',
  HeadObject: 'head',
  PutObject: 'put',
  DeleteObject: 'delete',
  DeleteObjects: 'delete',
  ListObjectVersions: 'listVersions',
  ListObjectsV2: 'list',
  CreateMultipartUpload: 'beginUpload',
  UploadPart: 'putPart',
  CompleteMultipartUpload: 'completeUpload',
}

/** Counted by the server, whoever asks. */
export async function countedServer(): Promise<CountedRemote & { readonly place: { endpoint: string; accessKeyId: string; secretAccessKey: string; bucket: string } }> {
  const server = await startS3Server({ buckets: ['bucket'] })
  const { endpoint, accessKeyId, secretAccessKey, stats } = server
  const place = { endpoint, accessKeyId, secretAccessKey, bucket: 'bucket' }
  return {
    place,
    connect: (dbKey) => new S3Connection({ ...place, dbKey }),
    take() {
      const requests: Record<string, number> = {}
      let up = 0
      let down = 0
      for (const [operation, sums] of Object.entries(stats.operations)) {
        const kind = kinds[operation] ?? operation
        requests[kind] = (requests[kind] ?? 0) + sums.requests
        if (kind === 'put' || kind === 'putPart') up += sums.bytesUp
        if (kind === 'get') down += sums.bytesDown
      }
      stats.reset()
      return traffic(requests, up, down)
    },
    close: () => server.close(),
  }
}
