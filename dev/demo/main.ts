/**
 * The main job from end to end, for real: a data set into a local file, pushed over HTTP with signed
 * requests to an S3-compatible server, read elsewhere by public URL, edited by somebody else, pulled back.
 *
 *     npm run demo
 */
import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openEbooklet, S3Connection } from '../../src/index.js'
import { startS3Server } from '../s3-server/index.js'
import { loadAirports, type Airport } from './airports.js'
import { Story } from './story.js'

const bucket = 'atlas'
const dbKey = 'airports.blt'

async function main(): Promise<void> {
  const airports = loadAirports()
  await using server = await startS3Server({ buckets: [{ name: bucket, publicRead: true }] })
  const folder = await mkdtemp(join(tmpdir(), 'ebooklet-demo-'))
  const story = new Story(server)
  const publicUrl = `${server.endpoint}/${bucket}/${dbKey}`
  const remote = () =>
    new S3Connection({
      endpoint: server.endpoint,
      bucket,
      dbKey,
      accessKeyId: server.accessKeyId,
      secretAccessKey: server.secretAccessKey,
    })
  try {
    await publish(story, remote(), join(folder, 'ann.blt'), airports)
    await readAnywhere(story, publicUrl, join(folder, 'ben.blt'), airports)
    await using ann = await openEbooklet<Airport>(remote(), join(folder, 'ann.blt'))
    const expected = await edit(story, remote(), join(folder, 'cleo.blt'), airports)
    await story.chapter('Ann pulls', async () => {
      const before = ann.size
      const { changed } = await ann.pull()
      ok(changed)
      strictEqual(ann.size, expected.size)
      story.say(`${before} airports before, ${ann.size} after; NZWN is now "${(await ann.get('NZWN'))!.name}", NZZZ: ${JSON.stringify((await ann.get('NZZZ'))!.name)}`)
      strictEqual((await ann.pull()).changed, false)
      story.say('pulling once more: nothing changed, no body was sent')
    })
    await story.chapter('Ann compares all she has with what it should be', async () => {
      await ann.load()
      for (const [key, airport] of expected) deepStrictEqual(await ann.get(key), airport)
      story.say(`all ${expected.size} airports are equal to the source with the edits`)
    })
    console.log('\nEverything was as it should be.')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function publish(story: Story, remote: S3Connection, path: string, airports: Map<string, Airport>): Promise<void> {
  await story.chapter('Ann publishes', async () => {
    await using db = await openEbooklet<Airport>(remote, path, { flag: 'n', valueSerializer: 'json', numGroups: 30 })
    for (const [ident, airport] of airports) db.set(ident, airport)
    db.metadata = { title: 'Airports of the world', source: 'OurAirports', records: airports.size }
    db.sync()
    story.say(`${airports.size} airports set in a local file, ${db.numGroups} groups, no request for data so far`)
    const result = await db.push()
    ok(result.ok && result.updated)
    story.say(`pushed ${result.written.length} keys as ${result.objectsUploaded} group objects of ${story.bytes(result.bytesUploaded)} and one db object`)
  })
}

async function readAnywhere(story: Story, url: string, path: string, airports: Map<string, Airport>): Promise<void> {
  await story.chapter('Ben reads single keys by public URL, without credentials', async () => {
    await using db = await openEbooklet<Airport>(url, path, { onWarning: () => undefined })
    story.say(`${db.size} airports in ${JSON.stringify((db.metadata as { title: string }).title)}`)
    for (const ident of ['NZWN', 'EDDF', 'KJFK']) {
      const airport = await db.get(ident)
      deepStrictEqual(airport, airports.get(ident))
      story.say(`${ident}: ${airport!.name}, ${airport!.position.lat.toFixed(2)} ${airport!.position.lon.toFixed(2)}`)
    }
  })
  await story.chapter('Ben loads everything and compares it with the source', async () => {
    await using db = await openEbooklet<Airport>(url, path, { onWarning: () => undefined })
    await db.load()
    let compared = 0
    for await (const [ident, airport] of db) {
      deepStrictEqual(airport, airports.get(ident))
      compared++
    }
    strictEqual(compared, airports.size)
    story.say(`all ${compared} airports are equal to the source`)
  })
}

/** Returns what the database has to hold afterwards. */
async function edit(story: Story, remote: S3Connection, path: string, airports: Map<string, Airport>): Promise<Map<string, Airport>> {
  const expected = new Map(airports)
  await story.chapter('Cleo edits and deletes', async () => {
    await using db = await openEbooklet<Airport>(remote, path, { flag: 'w' })
    const wellington = { ...(await db.get('NZWN'))!, name: 'Wellington Airport (windy)' }
    const fresh: Airport = { ...wellington, name: 'Zealandia Seaplane Base ✈', codes: { gps: null, iata: null, local: null } }
    db.update([
      ['NZWN', wellington],
      ['NZZZ', fresh],
    ])
    expected.set('NZWN', wellington).set('NZZZ', fresh)
    for (const ident of ['NZCH', 'EGLC', 'AF-0005']) {
      ok(db.delete(ident))
      expected.delete(ident)
    }
    for (const change of db.changes()) story.say(`pending: ${change.type} ${change.key}`)
    const result = await db.push()
    ok(result.ok)
    story.say(`pushed: ${result.written.length} written, ${result.deleted.length} deleted, ${result.objectsUploaded} of ${db.numGroups} groups written anew`)
  })
  return expected
}

await main()
