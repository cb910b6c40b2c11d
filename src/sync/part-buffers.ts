/** Arrays of one size that are used again and again: of those that go as garbage there would soon be more than of those in use. */
export class PartBuffers {
  readonly #size: number
  readonly #most: number
  readonly #free: Uint8Array[] = []

  /**
   * @param size bytes of each
   * @param most how many are kept while nobody uses them
   */
  constructor(size: number, most: number) {
    this.#size = size
    this.#most = most
  }

  /** An array of this length; what is in it is left from before. */
  take(length: number): Uint8Array {
    return (length === this.#size ? this.#free.pop() : undefined) ?? new Uint8Array(length)
  }

  /** Lets go of what nobody uses. */
  clear(): void {
    this.#free.length = 0
  }

  /** Gives one back that nobody holds any more. */
  give(bytes: Uint8Array): void {
    if (bytes.length === this.#size && this.#free.length < this.#most) this.#free.push(bytes)
  }
}
