/* Runs one scenario in a process of its own and prints what came of it: the code of the error and the most memory. */
import { peakMemory } from '../../bench/peak-memory.js'
import { HttpConnection, openEbooklet } from '../../src/index.js'
import { openBooklet, openFixedBooklet } from '../../src/booklet/index.js'
import { writeRecord } from '../../src/booklet/recovery-record.js'
import { patchHeader } from '../../src/format/booklet-header.js'
import { parseXml } from '../../src/store/s3/xml.js'
import { resolveSerializer } from '../../src/serializers/index.js'

const [scenario = '', origin = ''] = process.argv.slice(2)

function emptyFile(): Uint8Array {
  const booklet = openBooklet(null, { buckets: 7 })
  booklet.set('k', 1)
  return booklet.toBytes()
}

/** 1 GiB of spaces in 32 KiB: a zstd frame without a content size. */
function bomb(): Uint8Array {
  const out = new Uint8Array(6 + 4 * 8191)
  out.set([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58])
  for (let i = 0; i < 8191; i++) {
    const head = (128 * 1024 * 8) | 2 | (i === 8190 ? 1 : 0)
    out.set([head & 0xff, (head >> 8) & 0xff, (head >> 16) & 0xff, 0x20], 6 + 4 * i)
  }
  return out
}

async function read(): Promise<void> {
  await using db = await openEbooklet(new HttpConnection(`${origin}/${scenario}/db.blt`), ':memory:', { maxIndexBytes: 1 << 24, maxValueBytes: 1 << 24 })
  await db.get('k')
}

const scenarios: Record<string, () => unknown> = {
  'bomb': () => {
    const booklet = openBooklet<string, unknown>(null, { valueSerializer: 'zstd', maxValueBytes: 1 << 20 })
    booklet.setBytes('k', bomb())
    return booklet.get('k')
  },
  'deep-json': () => resolveSerializer('json').decode(new Uint8Array(20_000_000).fill(0x5b)),
  'deep-msgpack': () => resolveSerializer('msgpack').decode(new Uint8Array(20_000_000).fill(0x91)),
  'deep-xml': () => parseXml('<a>'.repeat(2_500_000)),
  'many-buckets': () => {
    const bytes = emptyFile()
    patchHeader(bytes, { nBuckets: 2 ** 32 - 1 })
    return openBooklet(bytes, { flag: 'w' })
  },
  'many-keys': () => {
    const bytes = emptyFile()
    patchHeader(bytes, { nKeys: 2 ** 32 - 2 })
    if (openBooklet(bytes).size !== 1) throw new Error('counted wrong')
  },
  'init-buckets': () => {
    const bytes = emptyFile().slice(0, 200)
    patchHeader(bytes, { nBuckets: 2 ** 32 - 1 })
    return openBooklet(null, { initBytes: bytes })
  },
  'forged-clear': () => {
    const bytes = emptyFile()
    patchHeader(bytes, { nBuckets: 2 ** 32 - 1, version: 0 })
    writeRecord(bytes.subarray(0, 200), { state: 'clear', version: 5, nBuckets: 2 ** 32 - 1 })
    return openBooklet(bytes, { flag: 'w' })
  },
  'long-values': () => {
    const fixed = openFixedBooklet(null, { valueLength: 3 })
    fixed.set('k', Uint8Array.of(1, 2, 3))
    const bytes = fixed.toBytes()
    bytes.fill(0xff, 37, 41)
    const opened = openFixedBooklet(bytes)
    return [...opened.values()]
  },
}

let code = 'none'
try {
  await (scenarios[scenario] ?? read)()
} catch (error) {
  code = (error as { code?: string }).code ?? String((error as Error).stack)
}
process.stdout.write(JSON.stringify({ code, megabytes: Math.round(peakMemory()) }))
process.exit(0)
