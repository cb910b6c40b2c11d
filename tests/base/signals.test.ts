import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import { anySignal } from '../../src/base/signals.js'

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

it('combined signals abort when a timeout is over that nobody else refers to, whatever is collected meanwhile', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const closing = new AbortController()
  const reasons: unknown[] = []
  for (let i = 0; i < 20; i++) {
    const combined = anySignal([AbortSignal.timeout(200), closing.signal])
    combined.addEventListener('abort', () => reasons.push((combined.reason as Error).name))
  }
  for (let i = 0; i < 3; i++) {
    await wait(10)
    collect()
  }
  await expect.poll(() => reasons.length, { timeout: 10_000 }).toBe(20)
  expect(new Set(reasons)).toEqual(new Set(['TimeoutError']))
})

it('combined signals abort for the reason of the first', () => {
  const [one, other] = [new AbortController(), new AbortController()]
  const combined = anySignal([one.signal, other.signal])
  other.abort('mine')
  one.abort('late')
  expect(combined.reason).toBe('mine')
  expect(anySignal([one.signal]).aborted).toBe(true)
})
