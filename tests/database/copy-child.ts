/* Copies one remote to another in a process of its own, and prints what came of it and the most memory that it took. */
import { copyRemote, DirectoryConnection, S3Connection, type RemoteConnection, type S3ConnectionOptions } from '../../src/index.js'

const [from = '', to = ''] = process.argv.slice(2)

function connection(text: string): RemoteConnection {
  return text.startsWith('{') ? new S3Connection(JSON.parse(text) as S3ConnectionOptions) : new DirectoryConnection(text)
}

/* Sampled: the high-water mark of a child begins with that of the process that made it. */
let most = 0
const watch = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 5)
const { copied } = await copyRemote(connection(from), connection(to), { maxMemory: 32 * 1024 * 1024, lockTiming: { settle: 20, poll: 20 } })
clearInterval(watch)
process.stdout.write(JSON.stringify({ copied, megabytes: Math.round(most / 1024 / 1024) }))
