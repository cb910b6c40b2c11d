/* The embedded S3 server in a process of its own, with the bytes on disk. Tells by IPC where it is, and what was asked. */
import { startS3Server, type LoggedRequest } from '../../dev/s3-server/index.js'

/** One request that sent bytes, or completed an object. */
export type SentRequest = Pick<LoggedRequest, 'op' | 'key' | 'query' | 'status' | 'bytesUp'>

const [folder = ''] = process.argv.slice(2)
const server = await startS3Server({ buckets: ['bucket'], folder, maxBytes: 2 ** 40, logLimit: 1_000_000 })
const { endpoint, accessKeyId, secretAccessKey } = server

process.on('message', (message) => {
  if (message === 'end') {
    void server.close().then(() => process.exit(0))
    return
  }
  // Only when nobody is connected any more: what a dead process had asked for is done then.
  void server.abandoned().then(() => {
    const sent = server.log.filter(({ op }) => op === 'PutObject' || op === 'UploadPart' || op === 'CompleteMultipartUpload')
    process.send?.(sent.map(({ op, key, query, status, bytesUp }): SentRequest => ({ op, key, query, status, bytesUp })))
  })
})
process.on('disconnect', () => process.exit(0))
process.send?.({ endpoint, accessKeyId, secretAccessKey, bucket: 'bucket' })
