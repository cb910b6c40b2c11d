/**
 * Compares as the UTF-8 bytes of the keys would: the order of S3 listings. UTF-16 code units give the same
 * order but for surrogates (U+10000 and above), which have to come after U+E000…U+FFFF.
 */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x !== y) {
      const highX = x >= 0xd800 && x <= 0xdfff
      const highY = y >= 0xd800 && y <= 0xdfff
      return highX === highY ? x - y : highX ? 1 : -1
    }
  }
  return a.length - b.length
}

/** Keys in order, kept sorted at every change. */
export class SortedKeys {
  readonly #keys: string[] = []

  get length(): number {
    return this.#keys.length
  }

  at(index: number): string | undefined {
    return this.#keys[index]
  }

  /** The index of the first key that is not before this one. */
  firstFrom(key: string): number {
    let low = 0
    let high = this.#keys.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (compareKeys(this.#keys[middle] as string, key) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  add(key: string): void {
    const index = this.firstFrom(key)
    if (this.#keys[index] !== key) this.#keys.splice(index, 0, key)
  }

  remove(key: string): void {
    const index = this.firstFrom(key)
    if (this.#keys[index] === key) this.#keys.splice(index, 1)
  }
}
