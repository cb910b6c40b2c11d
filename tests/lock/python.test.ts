import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { createInterface, type Interface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { startS3Server, type S3Server } from '../../dev/s3-server/index.js'
import { acquireLock, breakLocks } from '../../src/lock/index.js'
import { S3Store } from '../../src/store/index.js'
import { describeWithPeers, requirePeer } from '../support/peers.js'

const script = fileURLToPath(new URL('s3func_lock.py', import.meta.url))

/** A lock of the original in a process of its own. */
class PythonLock implements AsyncDisposable {
  readonly #process: ChildProcessWithoutNullStreams
  readonly #lines: AsyncIterator<string>
  readonly #reader: Interface

  constructor(server: S3Server, key: string) {
    const { accessKeyId, secretAccessKey, endpoint } = server
    this.#process = spawn(requirePeer('python'), [script, JSON.stringify([accessKeyId, secretAccessKey, 'one', key]), endpoint])
    this.#process.stderr.pipe(process.stderr)
    this.#reader = createInterface(this.#process.stdout)
    this.#lines = this.#reader[Symbol.asyncIterator]()
  }

  async answer(): Promise<unknown> {
    const line = await this.#lines.next()
    if (line.done) throw new Error('the Python process ended')
    return JSON.parse(line.value) as unknown
  }

  tell(command: string): Promise<unknown> {
    this.#process.stdin.write(`${command}\n`)
    return this.answer()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.stdin.end()
    await new Promise((resolve) => this.#process.once('close', resolve))
    this.#reader.close()
  }
}

describeWithPeers(['python'], 'lock and the Python original', () => {
  describe.each([false, true])('versioned bucket: %s', (versioned) => {
    const start = async () => {
      const server = await startS3Server({ buckets: [{ name: 'one', versioned }] })
      const { endpoint, accessKeyId, secretAccessKey } = server
      const store = new S3Store({ endpoint, bucket: 'one', credentials: { accessKeyId, secretAccessKey } })
      const python = new PythonLock(server, 'some/db.blt')
      expect(await python.answer()).toBe('ready')
      return {
        server, store, python,
        acquire: (timeout: number, exclusive = true) => acquireLock(store, 'some/db.blt', { timeout, exclusive }),
        async [Symbol.asyncDispose]() {
          await python[Symbol.asyncDispose]()
          await store.close()
          await server.close()
        },
      }
    }

    test('each excludes the other, and gives way to it', async () => {
      await using place = await start()
      const { python, acquire, store } = place
      expect(await python.tell('acquire')).toBe(true)
      await expect(acquire(1500)).rejects.toMatchObject({ code: 'LOCK_TIMEOUT', holders: [{ exclusive: true }] })
      await expect(acquire(0, false)).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' })
      expect(await python.tell('verify')).toBe(true)
      const waiting = acquire(30_000)
      await python.tell('release')
      const ours = await waiting
      expect(await python.tell('acquire 1.5')).toBe(false)
      expect(await python.tell('acquire 1.5 shared')).toBe(false)
      await ours.verify()
      await ours.release()
      expect(await python.tell('acquire 20')).toBe(true)
      await python.tell('release')
      const left: string[] = []
      for await (const version of store.listVersions('')) left.push(version.key)
      expect(left).toEqual([])
    })

    test('shared ones go together', async () => {
      await using place = await start()
      expect(await place.python.tell('acquire 10 shared')).toBe(true)
      const ours = await place.acquire(0, false)
      await expect(place.acquire(0)).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' })
      await ours.release()
      await place.python.tell('release')
    })

    test('each sees that the other broke its ticket', async () => {
      await using place = await start()
      const { python, acquire, store } = place
      expect(await python.tell('acquire')).toBe(true)
      expect(await breakLocks(store, 'some/db.blt', { which: 'all' })).toHaveLength(1)
      expect(await python.tell('verify')).toBe(false)
      await python.tell('release')
      const ours = await acquire(0)
      expect(await python.tell('others')).toHaveLength(1)
      expect(await python.tell('break')).toBe(true)
      await expect(ours.verify()).rejects.toMatchObject({ code: 'LOCK_LOST' })
      await ours.release()
    })

    test('starting at the same moment, exactly one of them gets it', async () => {
      await using place = await start()
      for (let round = 0; round < 2; round++) {
        const ours = place.acquire(0).then((lock) => lock, () => undefined)
        const theirs = await place.python.tell('acquire 3')
        const lock = await ours
        expect(Number(lock !== undefined) + Number(theirs === true)).toBe(1)
        await lock?.release()
        await place.python.tell('release')
      }
    })
  })
})
