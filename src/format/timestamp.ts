import { FormatError, InvalidArgumentError } from '../base/error.js'
import { readU56, writeU56 } from './integers.js'

/*
 * Timestamps are µs since the Unix epoch, UTC, 7 bytes LE in every binary record: 0 to 2^56 - 1.
 * Above 2^53 (the year 2255) a number can't hold each of them; those are rounded down, which keeps
 * "newer than" true and still fits 7 bytes.
 */

/** The largest timestamp that both a number and 7 bytes hold. */
export const MAX_TIMESTAMP = 2 ** 56 - 8

export function readTimestamp(bytes: Uint8Array, at: number): number {
  return readU56(bytes, at)
}

/** @throws InvalidArgumentError unless it is a whole number from 0 to 2^56 - 8 */
export function writeTimestamp(bytes: Uint8Array, at: number, timestamp: number): void {
  checkTimestamp(timestamp)
  writeU56(bytes, at, timestamp)
}

/** @throws InvalidArgumentError unless it is a whole number from 0 to 2^56 - 8 */
export function checkTimestamp(timestamp: number): void {
  if (Number.isInteger(timestamp) && timestamp >= 0 && timestamp <= MAX_TIMESTAMP) return
  throw new InvalidArgumentError(`A timestamp is a whole number of microseconds since 1970, from 0 to 2^56; this is ${String(timestamp)}.`)
}

/**
 * The next timestamp after one: a µs later, or above 2^53 the next that a number holds.
 * @throws FormatError when there is none
 */
export function timestampAfter(timestamp: number): number {
  const step = timestamp < 2 ** 53 ? 1 : timestamp < 2 ** 54 ? 2 : timestamp < 2 ** 55 ? 4 : 8
  if (timestamp + step <= MAX_TIMESTAMP) return timestamp + step
  throw new FormatError('The remote holds the latest timestamp that there is, so nothing can be newer: it is damaged or was made to do harm. Drop the change (discard), or begin a new remote.')
}

/** A timestamp found in JSON; `where` names the place for the message. */
export function timestampFromJson(value: unknown, where: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  if (typeof value === 'bigint' && value >= 0n && value < 2n ** 56n) return roundDown(value)
  throw new FormatError(`${where} holds no timestamp in microseconds.`)
}

/** A timestamp in decimal digits; `where` names the place for the message. */
export function timestampFromText(text: string | undefined, where: string): number {
  if (text !== undefined && /^\d{1,17}$/.test(text)) return timestampFromJson(BigInt(text), where)
  throw new FormatError(`${where} holds no timestamp in microseconds.`)
}

function roundDown(value: bigint): number {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, value, true)
  return readU56(bytes, 0)
}
