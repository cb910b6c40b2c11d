/** Buckets on the real S3 servers that the environment names; see peers.ts and dev/peers. */
import { CreateBucketCommand, PutBucketVersioningCommand, S3Client } from '@aws-sdk/client-s3'
import { requirePeer, type Peer } from './peers.js'

export interface RealServer {
  readonly endpoint: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

export interface RealBucket extends RealServer {
  readonly bucket: string
}

interface BucketOptions {
  versioned?: boolean
}

let made = 0

export function newCephBucket(options?: BucketOptions): Promise<RealBucket> {
  return newBucket('ceph', options)
}

export function newMinioBucket(options?: BucketOptions): Promise<RealBucket> {
  return newBucket('minio', options)
}

/* A new empty bucket. It stays until the server ends, which keeps nothing. */
async function newBucket(peer: Peer, options: BucketOptions = {}): Promise<RealBucket> {
  const server = JSON.parse(requirePeer(peer)) as RealServer
  made += 1
  const bucket = `test-${String(process.pid)}-${String(Date.now())}-${String(made)}`
  const client = new S3Client({ endpoint: server.endpoint, region: 'us-east-1', forcePathStyle: true, credentials: server })
  try {
    await client.send(new CreateBucketCommand({ Bucket: bucket }))
    if (options.versioned === true) await client.send(new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration: { Status: 'Enabled' } }))
  } finally {
    client.destroy()
  }
  return { ...server, bucket }
}
