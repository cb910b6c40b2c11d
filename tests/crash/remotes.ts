/** Remotes for processes that are killed, and how often that is done. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startS3Server } from '../../dev/s3-server/index.js'
import { newCephBucket } from '../support/real-servers.js'
import { killedPushes, type KilledPushes, type Tally } from './killed-pushes.js'

export interface CrashRemote {
  name: string
  make(): Promise<Pick<KilledPushes, 'remote' | 'settled'> & { dispose: () => Promise<void> }>
}

export const onEmbeddedServer: CrashRemote = {
  name: 'embedded server',
  async make() {
    const server = await startS3Server({ buckets: [{ name: 'bucket' }] })
    const { endpoint, accessKeyId, secretAccessKey } = server
    return { remote: { endpoint, accessKeyId, secretAccessKey, bucket: 'bucket' }, settled: () => server.abandoned(), dispose: () => server.close() }
  },
}

export const onDirectory: CrashRemote = {
  name: 'directory',
  async make() {
    const folder = await mkdtemp(join(tmpdir(), 'ebooklet-crash-remote-'))
    return { remote: { folder }, settled: () => Promise.resolve(), dispose: () => rm(folder, { recursive: true, force: true }) }
  },
}

export const onCeph: CrashRemote = {
  name: 'Ceph',
  async make() {
    return { remote: await newCephBucket(), settled: () => sleep(250), dispose: () => Promise.resolve() }
  },
}

/** EBOOKLET_TEST_CRASHES, or what is given. */
export function crashes(usually: number): number {
  const given = process.env['EBOOKLET_TEST_CRASHES']
  return given === undefined || given === '' ? usually : Number(given)
}

export function timeFor(kills: number): number {
  return 60_000 + kills * 10_000
}

export async function killOn(kind: CrashRemote, options: Pick<KilledPushes, 'numGroups' | 'kills' | 'seed'>): Promise<Tally> {
  const { remote, settled, dispose } = await kind.make()
  try {
    const started = performance.now()
    const tally = await killedPushes({ ...options, remote, settled })
    const { lives, kills, arrived, lost } = tally
    const seconds = Math.round((performance.now() - started) / 1000)
    console.log(`${kind.name}, ${String(options.numGroups)} groups, seed ${options.seed}: ${lives} lives in ${seconds} s, killed after ${JSON.stringify(kills)}; pushes cut off: ${arrived} arrived, ${lost} not`)
    return tally
  } finally {
    await dispose()
  }
}
