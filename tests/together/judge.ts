/**
 * Replays what writers did together, in the order of the remote's commits, and compares everything that each of them told
 * with what the rule about conflicts makes of it.
 */
import { expect } from 'vitest'
import { metaName, type Decision, type Interval, type Made, type PendingChange, type PushLog, type ReadLog, type Seen } from './log.js'

interface Held {
  made: string
  timestamp: number
}
type Content = ReadonlyMap<string, Held>

interface Change {
  key: string
  made: Made
}

/** What the rule makes of what was pending, on top of a state of the remote. */
interface Merged {
  changes: Change[]
  adopted: string[]
  conflicts: { kind: string; key: string; resolution: string }[]
  /** Left open by the rule to stop. */
  open: { kind: string; key: string }[]
}

export interface Tally {
  commits: number
  conflicts: Record<string, number>
  adopted: number
  /** Pushes that had to wait for another's. */
  waits: number
}

export class Judge {
  readonly #history: Map<number, Content>
  #last: { commit: number; content: Content }
  readonly tally: Tally = { commits: 0, conflicts: {}, adopted: 0, waits: 0 }

  /** @param start what all begin with */
  constructor(commit: number, start: ReadonlyMap<string, Held>) {
    this.#last = { commit, content: start }
    this.#history = new Map([[commit, start]])
  }

  /** JSON of the values in the end. */
  get content(): Record<string, string> {
    return Object.fromEntries([...this.#last.content].map(([key, { made }]) => [key, made]))
  }

  replay(pushes: readonly PushLog[]): void {
    const made = pushes.filter(isCommit)
    for (const push of made.toSorted((a, b) => a.after.commit! - b.after.commit!)) this.#committed(push)
    for (const push of pushes) if (!isCommit(push)) this.#notCommitted(push)
  }

  /** A value that was read belongs to a commit that the session was on while it read. */
  read({ writer, read: { key, value, from, to } }: ReadLog): void {
    const possible = [...this.#history].filter(([commit]) => commit >= (from ?? 0) && commit <= (to ?? 0)).map(([, content]) => content.get(key)?.made ?? null)
    expect(possible, `${writer} read ${key}`).toContain(value)
  }

  #committed(push: PushLog): void {
    const { after, outcome, writer } = push
    const { commit, content } = this.#last
    const at = `commit ${String(after.commit)} by ${writer}, after ${commit}`
    if (outcome.kind !== 'pushed') throw new Error(at)
    expect(after.commit, at).toBeGreaterThan(commit)
    const merged = this.#merge(push, content, at)
    expect(sorted(outcome.conflicts), at).toEqual(sorted(merged.conflicts))
    expect(outcome.adopted.toSorted(), at).toEqual(merged.adopted.toSorted())
    const done = (what: (change: Change) => boolean) => merged.changes.filter((change) => change.key !== metaName && what(change)).map(({ key }) => key).sort()
    expect({ written: outcome.written.toSorted(), deleted: outcome.deleted.toSorted() }, at).toEqual({ written: done(({ made }) => made !== null), deleted: done(({ made }) => made === null) })
    const next = nextContent(content, merged.changes, after, at)
    this.#last = { commit: after.commit!, content: next }
    this.#history.set(after.commit!, next)
    this.tally.commits++
    this.tally.adopted += merged.adopted.length
    for (const { kind, resolution } of merged.conflicts) this.tally.conflicts[`${kind} ${resolution}`] = (this.tally.conflicts[`${kind} ${resolution}`] ?? 0) + 1
  }

  /* It left nothing to send, or stopped. */
  #notCommitted(push: PushLog): void {
    const { after, outcome, writer } = push
    const at = `a push of ${writer} on commit ${String(after.commit)} without one of its own`
    const content = this.#history.get(after.commit ?? NaN)
    expect(content, at).toBeDefined()
    const merged = this.#merge(push, content!, at)
    if (outcome.kind === 'stopped') {
      expect(sorted(outcome.conflicts), at).toEqual(sorted(merged.open))
      expect(merged.open.length, at).toBeGreaterThan(0)
      return
    }
    expect(sorted(outcome.conflicts), at).toEqual(sorted(merged.conflicts))
    expect(merged.changes, at).toEqual([])
    nextContent(content!, [], after, at)
  }

  #merge(push: PushLog, remote: Content, at: string): Merged {
    const merged: Merged = { changes: [], adopted: [], conflicts: [], open: [] }
    for (const change of push.pending) this.#mergeKey(push, change, remote, merged, at)
    const asked = new Set(push.decisions.map(({ key }) => key))
    expect(merged.conflicts.filter(({ key }) => asked.has(key)).length, `${at}: asked of what was no conflict`).toBe(asked.size)
    return merged
  }

  #mergeKey({ strategy, decisions }: PushLog, { key, made, base: baseCommit }: PendingChange, remote: Content, merged: Merged, at: string): void {
    const base = baseCommit === undefined ? undefined : this.#history.get(baseCommit)?.get(key)
    const now = remote.get(key)
    const send = (value: Made) => {
      // What isn't there needs no delete; but metadata that was edited goes along.
      if (value !== null || now !== undefined || key === metaName) merged.changes.push({ key, made: value })
    }
    if (base?.timestamp === now?.timestamp) return send(made)
    // Where one side is to win anyway, nobody fetches the other's value to compare it.
    const compared = strategy === 'ask' || strategy === 'stop' || key === metaName || now === undefined
    if (made === (now?.made ?? null) && compared) {
      if (now !== undefined && key !== metaName) merged.adopted.push(key)
      return
    }
    const kind = key === metaName ? 'metadata' : made === null ? 'deleted-changed' : now ? 'both-changed' : 'changed-deleted'
    if (strategy === 'stop') return void merged.open.push({ kind, key })
    const decision = decisions.find((candidate) => candidate.key === key)
    const answer = strategy === 'ask' ? decision?.answer : strategy
    if (answer === undefined) throw new Error(`${at}: nobody was asked about ${key}`)
    if (decision) checkShown(decision, { kind, base, made, now }, `${at}, ${key}`)
    merged.conflicts.push({ kind, key, resolution: typeof answer === 'string' ? answer : 'value' })
    if (answer === 'local') send(made)
    else if (typeof answer === 'object') send(answer.made)
  }
}

function isCommit({ outcome }: PushLog): boolean {
  return outcome.kind === 'pushed' && outcome.updated
}

function checkShown(decision: Decision, { kind, base, made, now }: { kind: string; base: Held | undefined; made: Made; now: Held | undefined }, at: string): void {
  expect(decision.kind, at).toBe(kind)
  expect({ deleted: decision.local.deleted, value: decision.local.value }, at).toEqual({ deleted: made === null, value: made ?? undefined })
  expect(decision.remote, at).toMatchObject({ deleted: now === undefined, known: true, ...(now ? { timestamp: now.timestamp, value: now.made } : {}) })
  // The value of the base may be gone; nothing wrong is ever shown for it.
  if (decision.base.known) expect({ deleted: decision.base.deleted, value: decision.base.value }, at).toEqual({ deleted: base === undefined, value: base?.made })
  else expect(base, at).toBeDefined()
}

/** The state before it with the changes, which has to be what the writer saw after its commit. */
function nextContent(before: Content, changes: readonly Change[], { keys }: Seen, at: string): Content {
  const changed = new Map(changes.map(({ key, made }) => [key, made]))
  const next = new Map<string, Held>()
  for (const [key, held] of before) if (!changed.has(key)) next.set(key, held)
  for (const [key, made] of changed) {
    const timestamp = keys[key]
    if (made === null) continue
    // Metadata has no order: what was decided for counts, under its own timestamp.
    if (key === metaName) expect(timestamp, `${at}: the metadata`).toBeDefined()
    else expect(timestamp, `${at}: ${key}`).toBeGreaterThan(before.get(key)?.timestamp ?? 0)
    next.set(key, { made, timestamp: timestamp! })
  }
  expect(keys, at).toEqual(Object.fromEntries([...next].map(([key, { timestamp }]) => [key, timestamp])))
  return next
}

function sorted<T extends { kind: string; key: string }>(list: readonly T[]): T[] {
  return [...list].sort((a, b) => (`${a.kind} ${a.key}` < `${b.kind} ${b.key}` ? -1 : 1))
}

/* Clocks of processes are compared, and tell ms. */
const margin = 50

/**
 * Who waits, waits only while somebody pushes: a ticket lies within the push that it is for, and once no other is there, the
 * next two looks win. A session of the original is one push.
 * @returns how many pushes had to wait
 */
export function judgeWaits(pushes: readonly PushLog[]): number {
  let waits = 0
  for (const push of pushes) {
    if (!push.ticket) continue
    expect(push.ticket.from, push.writer).toBeGreaterThanOrEqual(push.time.from)
    expect(push.ticket.to, push.writer).toBeLessThanOrEqual(push.time.to)
    const others = pushes.filter((other) => other.writer !== push.writer && other.ticket && overlaps(other.ticket, push.time))
    if (push.looks.some((look) => others.some(({ ticket }) => overlaps(ticket!, look)))) waits++
    // The third from the last won first, the second from the last won; the last one was before the commit.
    const alone = push.looks.map((look) => !others.some(({ ticket }) => overlaps(ticket!, look)))
    const early = alone.findIndex((one, at) => one && alone[at + 1] === true)
    if (early >= 0) expect(push.looks.length - early, `${push.writer} looked on though it was alone`).toBeLessThanOrEqual(3)
  }
  return waits
}

function overlaps(a: Interval, b: Interval): boolean {
  return a.from - margin <= b.to && b.from - margin <= a.to
}
