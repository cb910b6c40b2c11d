/** Bytes that grow at their end. All numbers little-endian. */
export class ByteWriter {
  #bytes = new Uint8Array(256)
  #view = new DataView(this.#bytes.buffer)
  #length = 0

  uint8(value: number): void {
    const at = this.#grow(1)
    this.#bytes[at] = value
  }

  uint16(value: number): void {
    const at = this.#grow(2)
    this.#view.setUint16(at, value, true)
  }

  uint32(value: number): void {
    const at = this.#grow(4)
    this.#view.setUint32(at, value, true)
  }

  uint64(value: number): void {
    const at = this.#grow(8)
    this.#view.setBigUint64(at, BigInt(value), true)
  }

  float64(value: number, littleEndian = true): void {
    const at = this.#grow(8)
    this.#view.setFloat64(at, value, littleEndian)
  }

  raw(bytes: ArrayLike<number>): void {
    const at = this.#grow(bytes.length)
    this.#bytes.set(bytes, at)
  }

  /** What was written, in memory of its own. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length)
  }

  #grow(by: number): number {
    const at = this.#length
    this.#length += by
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2))
      grown.set(this.#bytes.subarray(0, at))
      this.#bytes = grown
      this.#view = new DataView(grown.buffer)
    }
    return at
  }
}
