import { InvalidArgumentError } from '../base/error.js'

/** The most groups that a database may have: groups are chosen by a hash of 32 bits. */
export const MAX_GROUPS = 2 ** 32 - 1

/**
 * The smallest prime ≥ `n`: the number of groups that is used when `n` are asked for.
 * @throws InvalidArgumentError unless `n` is a whole number from 0 to 4,294,967,291 (the last prime of 32 bits)
 */
export function nextPrime(n: number): number {
  if (!Number.isInteger(n) || n < 0 || n > 4_294_967_291) throw new InvalidArgumentError(`The number of groups is a whole number up to 4,294,967,291; this is ${String(n)}.`)
  let candidate = Math.max(2, n)
  while (!isPrime(candidate)) candidate++
  return candidate
}

function isPrime(n: number): boolean {
  if (n < 4) return n >= 2
  if (n % 2 === 0) return false
  for (let divisor = 3; divisor * divisor <= n; divisor += 2) if (n % divisor === 0) return false
  return true
}
