/** What writers that work together are told to do, and what they tell of it: a line of JSON for each push. */

/** Under this name the metadata is treated like a key. */
export const metaName = '(metadata)'

export type Place = { endpoint: string; bucket: string; accessKeyId: string; secretAccessKey: string } | { folder: string }

export interface Job {
  name: string
  remote: Place
  dbKey: string
  path: string
  seed: number
  /** How many pushes it makes, at least. */
  rounds: number
  lockTiming: { settle: number; poll: number }
}

export type Strategy = 'local' | 'remote' | 'stop' | 'ask'

/** JSON of a value; null: deleted. */
export type Made = string | null

export interface PendingChange {
  key: string
  made: Made
  /** µs of the commit that the session was on when the change began. */
  base: number | undefined
}

/** One side of a conflict as the resolver was shown it. */
export interface Shown {
  timestamp: number | undefined
  deleted: boolean
  known: boolean
  /** JSON of the value. */
  value: string | undefined
}

export interface Decision {
  key: string
  kind: string
  base: Shown
  local: Shown
  remote: Shown
  answer: 'local' | 'remote' | { made: Made }
}

/** The remote as a session knows it: µs of the commit, and of each key's value. */
export interface Seen {
  commit: number | undefined
  keys: Record<string, number>
}

/** ms of this machine's clock. */
export interface Interval {
  from: number
  to: number
}

export interface PushLog {
  writer: string
  pending: PendingChange[]
  strategy: Strategy
  decisions: Decision[]
  outcome:
    | { kind: 'pushed'; updated: boolean; written: string[]; deleted: string[]; adopted: string[]; conflicts: { kind: string; key: string; resolution: string }[] }
    | { kind: 'stopped'; conflicts: { kind: string; key: string }[] }
  /** Right after it. */
  after: Seen
  time: Interval
  /** From when the ticket began to be written until it was gone; of a session that holds the lock throughout, this is what it took. */
  ticket: Interval | undefined
  /** Listings by which it waited for the lock. */
  looks: Interval[]
}

/** What a session read, with the commit that it was on before and after. */
export interface ReadLog {
  writer: string
  read: { key: string; value: Made; from: number | undefined; to: number | undefined }
}

export type LogLine = PushLog | ReadLog
