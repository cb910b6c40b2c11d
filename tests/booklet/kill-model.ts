/** The changes of one round, the same for writer and checker. */
export interface RoundTarget {
  set(key: string, value: Uint8Array): void
  delete(key: string): void
}

/* A small generator (mulberry32): the same numbers in every process. */
export function generator(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 0x100000000
  }
}

export function applyRound(seed: number, round: number, target: RoundTarget): void {
  const next = generator(seed * 1_000_003 + round)
  const count = 1 + Math.floor(next() * 40)
  for (let i = 0; i < count; i++) {
    const key = `key${Math.floor(next() * 300)}`
    if (next() < 0.25) target.delete(key)
    else target.set(key, new Uint8Array(Math.floor(next() * next() * 2000)).fill(round * 7 + i))
  }
}
