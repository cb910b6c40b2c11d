/** Buckets on the Ceph object gateway that the environment names; see peers.ts and dev/peers/ceph.sh. */
import { CreateBucketCommand, PutBucketVersioningCommand, S3Client } from '@aws-sdk/client-s3'
import { requirePeer } from './peers.js'

export interface CephServer {
  readonly endpoint: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

export interface CephBucket extends CephServer {
  readonly bucket: string
}

export function cephServer(): CephServer {
  return JSON.parse(requirePeer('ceph')) as CephServer
}

let made = 0

/** A new empty bucket. It stays until the server ends, which keeps nothing. */
export async function newCephBucket(options: { versioned?: boolean } = {}): Promise<CephBucket> {
  const server = cephServer()
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
