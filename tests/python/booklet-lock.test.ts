/** flock between us and Python: one writer or many readers, whoever they are. */
import { existsSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { FileLockedError, openBooklet, openFixedBooklet } from '../../src/booklet/index.js'
import { temporaryPath } from '../support/folder.js'
import { describeWithPeers } from '../support/peers.js'
import { PythonError, PythonPeer } from '../support/python.js'
import { set } from './history.js'

/** Seconds that Python waits for the file before it gives up. */
const soon = 0.3

function makeFile(): string {
  const path = temporaryPath()
  const booklet = openBooklet<string, string>(path, { flag: 'n', valueSerializer: 'str', buckets: 97 })
  booklet.set('key', 'value')
  booklet.close()
  return path
}

async function expectPythonRefused(python: PythonPeer, path: string, flag: 'r' | 'w' | 'n'): Promise<void> {
  const options = flag === 'n' ? { keySerializer: 'str', valueSerializer: 'str' } : {}
  const error: unknown = await python.call('booklet.open', { path, flag, lockTimeout: soon, ...options }).catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(PythonError)
  expect((error as PythonError).type).toBe('LockTimeoutError')
}

function expectUsRefused(path: string, flag: 'r' | 'w' | 'c' | 'n'): void {
  for (const lockTimeout of [0, 150]) {
    const started = performance.now()
    const attempt = () => openBooklet(path, { flag, lockTimeout, valueSerializer: 'str' })
    expect(attempt).toThrow(FileLockedError)
    expect(performance.now() - started).toBeGreaterThanOrEqual(lockTimeout)
    expect(attempt).toThrow(path)
  }
}

describeWithPeers(['python'], 'the lock of a booklet file', () => {
  const python = PythonPeer.forSuite()

  it.each(['r', 'w', 'n'] as const)('our writer keeps Python out, flag %s', async (flag) => {
    const path = makeFile()
    const before = readFileSync(path)
    const writer = openBooklet(path, { flag: 'w' })
    await expectPythonRefused(python(), path, flag)
    writer.close()
    expect(before.length).toBe(readFileSync(path).length)
    const { handle } = await python().call('booklet.open', { path, flag: 'w', lockTimeout: soon })
    await python().call('close', { handle })
  })

  it.each(['r', 'w', 'c', 'n'] as const)("Python's writer keeps us out, flag %s, and nothing is truncated", async (flag) => {
    const path = makeFile()
    const before = readFileSync(path)
    const { handle } = await python().call('booklet.open', { path, flag: 'w' })
    expectUsRefused(path, flag)
    expect(readFileSync(path).equals(before)).toBe(true)
    await python().call('close', { handle })
    const booklet = openBooklet(path, { flag: 'w', lockTimeout: 0 })
    expect(booklet.get('key')).toBe('value')
    booklet.close()
  })

  it('our readers share, and keep a writer of Python out', async () => {
    const path = makeFile()
    const readers = [openBooklet(path, { lockTimeout: 0 }), openBooklet(path, { lockTimeout: 0 })]
    await expectPythonRefused(python(), path, 'w')
    readers[0]?.close()
    await expectPythonRefused(python(), path, 'w')
    readers[1]?.close()
    await python().write({ path, flag: 'w', lockTimeout: soon }, [set('key', 'changed')])
  })

  it("a reader of Python keeps our writer out", async () => {
    const path = makeFile()
    const { handle } = await python().call('booklet.open', { path, flag: 'r' })
    expectUsRefused(path, 'w')
    expectUsRefused(path, 'n')
    await python().call('close', { handle })
    openBooklet(path, { flag: 'w', lockTimeout: 0 }).close()
  })

  it('holds for files with values of fixed length too', async () => {
    const path = temporaryPath()
    const ours = openFixedBooklet(path, { flag: 'n', valueLength: 15 })
    const refused = await python().call('booklet.open', { path, fixed: true, flag: 'w', lockTimeout: soon }).catch((caught: unknown) => caught)
    expect((refused as PythonError).type).toBe('LockTimeoutError')
    ours.close()
    const { handle } = await python().call('booklet.open', { path, fixed: true, flag: 'w' })
    expect(() => openFixedBooklet(path, { flag: 'w', lockTimeout: 0 })).toThrow(FileLockedError)
    await python().call('close', { handle })
  })

  it('we wait until Python closes, and see what it wrote', async () => {
    const path = makeFile()
    const { handle } = await python().call('booklet.open', { path, flag: 'w' })
    await python().call('booklet.apply', { handle, operations: [set('key', 'from Python')] })
    const later = [python().call('sleep', { seconds: 0.4 }), python().call('close', { handle })]
    // The requests go out before this process waits for the file.
    await new Promise((resolve) => setTimeout(resolve, 100))
    const booklet = openBooklet(path, { flag: 'w', lockTimeout: 20_000 })
    expect(booklet.get('key')).toBe('from Python')
    booklet.close()
    await Promise.all(later)
  })

  it('Python waits until we close, and sees what we wrote', async () => {
    const path = makeFile()
    const writer = openBooklet(path, { flag: 'w' })
    writer.set('key', 'from us')
    const opening = python().call('booklet.open', { path, flag: 'r', lockTimeout: 20 })
    await new Promise((resolve) => setTimeout(resolve, 400))
    writer.set('more', 'from us')
    writer.close()
    const { handle } = await opening
    expect(await python().call('booklet.get', { handle, keys: ['key', 'more'] })).toEqual([{ value: 'from us' }, { value: 'from us' }])
    await python().call('close', { handle })
  })

  it('is let go when Python is killed', async () => {
    const path = makeFile()
    const other = PythonPeer.start()
    await other.call('booklet.open', { path, flag: 'w' })
    expectUsRefused(path, 'r')
    await other.kill()
    const booklet = openBooklet(path, { flag: 'w', lockTimeout: 0 })
    expect(booklet.get('key')).toBe('value')
    booklet.close()
  })

  it('outlives the replacing of the file: who waited gets the new one', async () => {
    const path = makeFile()
    const { handle } = await python().call('booklet.open', { path, flag: 'w' })
    expect(existsSync(path)).toBe(true)
    const steps = [python().call('sleep', { seconds: 0.4 }), python().call('replaceFile', { path }), python().call('close', { handle })]
    await new Promise((resolve) => setTimeout(resolve, 100))
    const booklet = openBooklet(path, { flag: 'c', lockTimeout: 20_000, valueSerializer: 'str' })
    expect(booklet.get('key')).toBe('value')
    booklet.set('key', 'in the new file')
    booklet.close()
    await Promise.all(steps)
    const reader = openBooklet(path)
    expect(reader.get('key')).toBe('in the new file')
    reader.close()
  })
})
