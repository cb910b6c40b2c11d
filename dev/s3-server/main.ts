import { parseArgs } from 'node:util'
import type { BucketOptions } from './options.js'
import { startS3Server } from './server.js'

/*
 * tsx dev/s3-server/main.ts [--port 9000] [--bucket name]… [--versioned name]… [--public name]… [--region us-east-1]
 *   [--access-key … --secret-key …] [--max-bytes n] [--folder path]
 * Prints one line of JSON when it listens: endpoint, region, accessKeyId, secretAccessKey, buckets. Ends with SIGINT,
 * SIGTERM, or, with --stdin, when its standard input ends (so that it does not outlive who started it).
 */
const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    bucket: { type: 'string', multiple: true, default: [] },
    versioned: { type: 'string', multiple: true, default: [] },
    public: { type: 'string', multiple: true, default: [] },
    region: { type: 'string', default: 'us-east-1' },
    'access-key': { type: 'string' },
    'secret-key': { type: 'string' },
    'max-bytes': { type: 'string' },
    folder: { type: 'string' },
    stdin: { type: 'boolean', default: false },
  },
})

function number(name: string, text: string): number {
  if (!/^\d+$/.test(text)) throw new TypeError(`--${name} must be a number, not ${text}`)
  return Number(text)
}

const names = new Set([...values.bucket, ...values.versioned, ...values.public])
const buckets = [...names].map((name): BucketOptions => {
  const open = values.public.includes(name)
  return { name, versioned: values.versioned.includes(name), publicRead: open, cors: open ? true : undefined }
})
const accessKeyId = values['access-key']
const secretAccessKey = values['secret-key']
if ((accessKeyId === undefined) !== (secretAccessKey === undefined)) throw new TypeError('--access-key and --secret-key go together')

const server = await startS3Server({
  port: number('port', values.port),
  region: values.region,
  buckets,
  credentials: accessKeyId === undefined || secretAccessKey === undefined ? undefined : [{ accessKeyId, secretAccessKey }],
  folder: values.folder,
  maxBytes: values['max-bytes'] === undefined ? undefined : number('max-bytes', values['max-bytes']),
})
const stop = () => void server.close()
process.once('SIGINT', stop).once('SIGTERM', stop)
if (values.stdin) process.stdin.on('end', stop).resume()
console.log(JSON.stringify({ endpoint: server.endpoint, region: server.region, accessKeyId: server.accessKeyId, secretAccessKey: server.secretAccessKey, buckets: [...names] }))
