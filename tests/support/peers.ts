/**
 * The peers that the tests meet, and where they are found:
 *
 * | variable | peer |
 * |---|---|
 * | EBOOKLET_TEST_PYTHON | a python that has ebooklet 0.10.3, booklet and s3func |
 * | EBOOKLET_TEST_PYTHON_08 | a python that has ebooklet 0.8.3, which writes remote format 1 |
 * | EBOOKLET_TEST_CEPH | JSON {endpoint, accessKeyId, secretAccessKey} of a Ceph object gateway |
 * | EBOOKLET_TEST_MINIO | the same of a MinIO server |
 *
 * dev/peers sets them up, `.ci/run` does it all. Tests of a peer that isn't there are skipped under a name that says
 * so; with EBOOKLET_TEST_PEERS=required they fail.
 */
import { describe, expect, it } from 'vitest'

const variables = {
  python: 'EBOOKLET_TEST_PYTHON',
  'python 0.8': 'EBOOKLET_TEST_PYTHON_08',
  ceph: 'EBOOKLET_TEST_CEPH',
  minio: 'EBOOKLET_TEST_MINIO',
} as const

export type Peer = keyof typeof variables

/** What the peer's variable holds; undefined when it isn't set. */
export function findPeer(peer: Peer): string | undefined {
  const value = process.env[variables[peer]]
  return value === undefined || value === '' ? undefined : value
}

/** Like `findPeer`, for code that runs only where the peer is. */
export function requirePeer(peer: Peer): string {
  const value = findPeer(peer)
  if (value === undefined) throw new Error(missing(peer))
  return value
}

/**
 * A `describe` that runs where all its peers are. Where one is missing its tests are skipped, or one test fails in
 * their place when peers are required. `body` runs either way, to find the tests: use the peers only inside of tests and hooks.
 */
export function describeWithPeers(peers: readonly Peer[], name: string, body: () => void): void {
  const absent = peers.filter((peer) => findPeer(peer) === undefined)
  if (absent.length === 0) {
    describe(name, body)
  } else if (process.env['EBOOKLET_TEST_PEERS'] === 'required') {
    describe(name, () => {
      it.each(absent)('needs the peer %s', (peer) => expect.fail(missing(peer)))
    })
  } else {
    describe.skip(`${name} (without ${absent.join(', ')})`, body)
  }
}

function missing(peer: Peer): string {
  return `${variables[peer]} is not set, so the peer "${peer}" can't be met; see tests/support/peers.ts`
}
