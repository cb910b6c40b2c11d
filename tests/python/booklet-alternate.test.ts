/** One file, edited by us and by Python in turns, in random rounds against a model. */
import { expect, it } from 'vitest'
import { toBase64 } from '../../src/base/bytes.js'
import { temporaryPath } from '../support/folder.js'
import { describeWithPeers } from '../support/peers.js'
import { PythonPeer } from '../support/python.js'
import { replay, SeededRandom, testSeed } from '../support/seed.js'
import { expectPythonSees } from './content.js'
import { contentOf, fixedValue, nextTimestamp, set, type History, type Operation } from './history.js'
import { applyOurs, expectWeSee, openOurs } from './ours.js'

const slow = process.env['EBOOKLET_TEST_SLOW'] === '1'
const files = slow ? 24 : 6
const rounds = slow ? 12 : 8

/** Operations that can follow on `live`, the keys that are there; `live` is kept up to date. */
function randomSession(random: SeededRandom, live: Set<string>, writer: 'we' | 'Python', { fixed, valueLength, timestamps }: History['options']): Operation[] {
  const dated = fixed !== true && timestamps !== false
  const operations: Operation[] = []
  const count = random.below(40)
  for (let step = 0; step < count; step++) {
    const key = `key${String(random.below(60))}`
    const choice = random.below(20)
    if (choice < 11) {
      live.add(key)
      operations.push(fixed === true ? { op: 'set', key, value: fixedValue(valueLength ?? 1, random.below(1000)) } : set(key, 'v'.repeat(random.below(60))))
    } else if (choice < 16) {
      if (live.delete(key)) operations.push({ op: 'delete', key })
    } else if (choice === 16) {
      operations.push({ op: 'sync' })
    } else if (choice === 17 && dated) {
      if (!live.has(key)) continue
      // The original doesn't find a key that is still in its write buffer, or dates the block that it replaces.
      if (writer === 'Python') operations.push({ op: 'sync' })
      operations.push({ op: 'setTimestamp', key, timestamp: nextTimestamp() })
    } else if (choice === 18 && fixed !== true) {
      operations.push(random.below(2) === 0 ? { op: 'setMetadata', value: { step }, timestamp: nextTimestamp() } : { op: 'setReserved', slot: random.pick([1, 2] as const), bytes: toBase64(random.bytes(20)), timestamp: nextTimestamp() })
    } else if (choice === 19 && random.below(3) === 0) {
      operations.push({ op: 'prune' })
    } else if (choice === 19 && random.below(12) === 0) {
      live.clear()
      // The original's clear leaves what is in its write buffer, and links it later into the cleared file.
      if (writer === 'Python') operations.push({ op: 'sync' })
      operations.push({ op: 'clear' })
    }
  }
  return operations
}

function randomOptions(random: SeededRandom): History['options'] {
  // An index of fewer buckets that a prune has moved is too small for the original to replace.
  const buckets = random.pick([11, 23, 97])
  const bufferSize = random.pick([64, 500, 1 << 20])
  if (random.below(3) === 0) return { fixed: true, keySerializer: 'str', valueLength: random.pick([1, 14, 15]), buckets, bufferSize }
  return { keySerializer: 'str', valueSerializer: 'str', buckets, bufferSize, timestamps: random.below(4) > 0 }
}

/** The original takes the buffer size at every open; the rest is in the file. */
function reopenOptions({ fixed, bufferSize }: History['options']): History['options'] {
  return { ...(fixed === true ? { fixed } : {}), ...(bufferSize === undefined ? {} : { bufferSize }) }
}

describeWithPeers(['python'], 'a booklet file edited in turns', () => {
  const python = PythonPeer.forSuite()

  it.each(Array.from({ length: files }, (_, at) => at))('file %i', async (file) => {
    const random = new SeededRandom(testSeed + file)
    const options = randomOptions(random)
    const path = temporaryPath()
    const sessions: Operation[][] = []
    const writers: ('we' | 'Python')[] = []
    const live = new Set<string>()
    const log = () => `${replay}, file ${String(file)}: ${JSON.stringify({ options, writers, sessions }).slice(0, 20_000)}`
    try {
      for (let round = 0; round < rounds; round++) {
        const writer = random.pick(['we', 'Python'] as const)
        writers.push(writer)
        const session = randomSession(random, live, writer, options)
        sessions.push(session)
        const [flag, given] = round === 0 ? (['n', options] as const) : (['w', reopenOptions(options)] as const)
        if (writer === 'Python') {
          await python().write({ path, flag, ...given }, session)
        } else {
          const booklet = openOurs(path, flag, given)
          if (round > 0) expectWeSee(booklet, contentOf({ options, sessions: sessions.slice(0, -1) }))
          for (const operation of session) applyOurs(booklet, operation)
          expectWeSee(booklet, contentOf({ options, sessions }))
          booklet.close()
        }
        const content = contentOf({ options, sessions })
        expectPythonSees(await python().dump({ path, fixed: options.fixed === true }), content)
        const reader = openOurs(path, 'r', { fixed: options.fixed === true })
        expectWeSee(reader, content)
        reader.close()
      }
    } catch (cause) {
      throw new Error(log(), { cause })
    }
    expect(sessions).toHaveLength(rounds)
  })
})
