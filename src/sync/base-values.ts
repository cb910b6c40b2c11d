/** Values that were overwritten or deleted here before anybody pushed: for those who decide about conflicts to see. Best effort. */
export interface BaseValues {
  /** Keeps the value that a first change is about to overwrite. */
  keep(key: string, bytes: Uint8Array, timestamp: number): void
  /** The value of that timestamp, if it was kept. */
  get(key: string, timestamp: number): Uint8Array | undefined
  /** Drops what isn't needed any more. */
  retain(needed: (key: string) => boolean): void
  close(): void
}
