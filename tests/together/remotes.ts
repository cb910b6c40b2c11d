/** Remotes on which three of ours write together, and how much. */
import { mkdtempSync, rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { startS3Server } from '../../dev/s3-server/index.js'
import { DirectoryConnection, S3Connection } from '../../src/index.js'
import { newCephBucket } from '../support/real-servers.js'
import { testSeed } from '../support/seed.js'
import type { Tally } from './judge.js'
import type { LogLine, Place } from './log.js'
import { begin, judgeAll, writer } from './writers.js'

export interface TogetherRemote {
  name: string
  /** ms that the lock waits for rivals to show up. */
  settle: number
  make(): Promise<{ place: Place; dispose: () => Promise<void> }>
}

export const onEmbeddedServer: TogetherRemote = {
  name: 'embedded server',
  settle: 60,
  async make() {
    const server = await startS3Server({ buckets: [{ name: 'bucket' }] })
    const { endpoint, accessKeyId, secretAccessKey } = server
    return { place: { endpoint, accessKeyId, secretAccessKey, bucket: 'bucket' }, dispose: () => server.close() }
  },
}

export const onDirectory: TogetherRemote = {
  name: 'directory',
  settle: 60,
  async make() {
    const folder = await mkdtemp(join(tmpdir(), 'ebooklet-together-remote-'))
    return { place: { folder }, dispose: () => rm(folder, { recursive: true, force: true }) }
  },
}

export const onCeph: TogetherRemote = {
  name: 'Ceph',
  settle: 200,
  async make() {
    return { place: await newCephBucket(), dispose: () => Promise.resolve() }
  },
}

export const dbKey = 'together.blt'

export function connectionTo(place: Place) {
  return 'folder' in place ? new DirectoryConnection(join(place.folder, dbKey)) : new S3Connection({ ...place, dbKey })
}

/** EBOOKLET_TEST_ROUNDS, or what is given: pushes of each writer. */
export function rounds(usually: number): number {
  const given = process.env['EBOOKLET_TEST_ROUNDS']
  return given === undefined || given === '' ? usually : Number(given)
}

/** Three of ours, a process each. */
export async function threeOfOurs(kind: TogetherRemote, count: number): Promise<Tally> {
  const { place, dispose } = await kind.make()
  const folder = mkdtempSync(join(tmpdir(), 'ebooklet-together-'))
  try {
    const connection = connectionTo(place)
    const judge = await begin(connection, join(folder, 'first.blt'))
    const lines: LogLine[] = []
    const lockTiming = { settle: kind.settle, poll: kind.settle / 2 }
    const started = performance.now()
    await Promise.all(
      ['ada', 'bob', 'cyd'].map((name, at) => writer({ name, remote: place, dbKey, path: join(folder, `${name}.blt`), seed: testSeed * 3 + at, rounds: count, lockTiming }, (line) => lines.push(line))),
    )
    const tally = await judgeAll(judge, lines, connection)
    console.log(`${kind.name}: ${JSON.stringify(tally)} in ${Math.round((performance.now() - started) / 1000)} s`)
    expect(tally.commits).toBeGreaterThan(count)
    return tally
  } finally {
    rmSync(folder, { recursive: true, force: true })
    await dispose()
  }
}
