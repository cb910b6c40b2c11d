/**
 * What was overwritten or deleted here before anybody pushed: for those who decide about conflicts to see. Best effort.
 */
export interface BaseValues {
  /** Keeps what a first change is about to overwrite: the timestamp that the remote has, and the value where it is held here. */
  keep(key: string, bytes: Uint8Array | undefined, timestamp: number): void
  /** The value of that timestamp, if it was kept. */
  get(key: string, timestamp: number): Uint8Array | undefined
  /** The µs of all that was kept, by key. */
  timestamps(): ReadonlyMap<string, number>
  /** Drops what isn't needed any more. */
  retain(needed: (key: string, timestamp: number) => boolean): void
  close(): void
}
