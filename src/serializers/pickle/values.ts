/*
 * Python's kinds of values that JavaScript has no kind of its own for. Where one exists that is nearly the same, ours
 * extends it: a tuple is an array, a frozenset a Set, a bytearray a Uint8Array, a datetime a Date. So code that reads values
 * need not know of Python, and what is read and written again stays what it was.
 */

/** A Python tuple: an array that is written as a tuple. What its methods make (`map`, `slice` …) are plain arrays. */
export class PyTuple<T = unknown> extends Array<T> {
  static override get [Symbol.species](): ArrayConstructor {
    return Array
  }
}

/** A Python frozenset: a Set that is written as a frozenset. */
export class PyFrozenSet<T = unknown> extends Set<T> {}

/** A Python bytearray: bytes that are written as a bytearray. What its methods make are plain Uint8Arrays. */
export class PyByteArray extends Uint8Array<ArrayBuffer> {
  static get [Symbol.species](): Uint8ArrayConstructor {
    return Uint8Array
  }
}

/** A Python complex number. */
export class PyComplex {
  constructor(
    readonly real: number,
    readonly imaginary: number,
  ) {}
}
