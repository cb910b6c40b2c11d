/** What a push with a rule about conflicts has made of what was pending, compared with the model. */
import { PushConflictError, type Ebooklet, type PushResult } from '../../src/index.js'
import type { FileModel } from './file-model.js'
import type { Rule } from './rule.js'
import { metaName, shown, Violation, type PushRecord, type World } from './world.js'

export interface MergingSession {
  db: Ebooklet<string>
  file: FileModel
  world: World
  isDead: () => boolean
  say: (text: string) => void
  count: (name: string) => void
}

/** What the rule about conflicts has made of what was pending. */
export async function merged(session: MergingSession, result: PushResult, record: PushRecord, rule: Rule, logged: number): Promise<void> {
  const { db, file, world } = session
  const commit = result.updated ? record.commits.find(({ timestamp }) => timestamp === result.timestamp) : undefined
  const merged = commit ? world.commits[commit.seq - 1] : world.commitAt(db.remoteTimestamp)
  const remote = { timestampOf: (key: string) => merged?.content.get(key)?.timestamp, commit: merged?.timestamp }
  const touched = new Set(file.log.slice(logged).map(({ key }) => key))
  rule.check(result.conflicts.filter(({ key }) => !touched.has(key ?? metaName)), remote)
  for (const { kind, key, resolution } of result.conflicts) {
    const name = key ?? metaName
    session.say(`  conflict ${kind} ${name}: ${resolution}`)
    session.count(`conflict ${kind} ${resolution}`)
    // What was set again since waits for the next push.
    if (resolution === 'local') continue
    if (touched.has(name) && isPending(db, name)) {
      // Unless it was set before it was decided about, and the decision waits for the next push as well.
      const actual = await pendingValue(db, name)
      if (actual !== undefined && actual !== file.pending.get(name) && rule.valuesOf(name).includes(actual)) file.change(name, actual)
      continue
    }
    if (kind === 'replacement') dropReplacement(file)
    else if (resolution === 'remote') file.change(name, undefined)
    else if (!touched.has(name)) decided(file, name, rule, remote.timestampOf(name) !== undefined)
    else if (rule.valuesOf(name).includes(commit?.content.get(name)?.value ?? null)) file.change(name, undefined)
  }
  for (const key of result.adopted) {
    if (touched.has(key) && isPending(db, key)) continue
    const held = merged?.content.get(key)
    if (merged?.numGroups !== undefined && file.pending.get(key) !== held?.value) throw new Violation(`${key} is taken for the same: here ${shown(file.pending.get(key))}, there ${shown(held?.value)}`)
    file.change(key, undefined)
  }
  // The same metadata on both sides is told of nowhere.
  if (file.pending.has(metaName) && !touched.has(metaName) && !db.changes().metadataChanged && (file.pending.get(metaName) ?? undefined) === merged?.content.get(metaName)?.value) file.change(metaName, undefined)
}

function decided(file: FileModel, name: string, rule: Rule, there: boolean): void {
  const made = rule.valuesOf(name).at(-1)
  if (made === undefined) throw new Violation(`${name} is told to be decided, and was not`)
  file.change(name, made === null && !there && name !== metaName ? undefined : made)
}

function dropReplacement(file: FileModel): void {
  for (const key of [...file.pending.keys()]) file.change(key, undefined)
  file.setReplace(false)
}

/** What a push left that failed: everything pending, but for what had been decided by then. */
export async function pushFailed(session: MergingSession, error: unknown, rule: Rule, first: number): Promise<void> {
  const { db, file, world } = session
  if (error instanceof PushConflictError) {
    if (rule.strategy !== 'stop') throw new Violation(`a conflict is told of under the rule ${rule.strategy}`)
    const commit = world.commitAt(db.remoteTimestamp)
    rule.check(error.conflicts, { timestampOf: (key) => commit?.content.get(key)?.timestamp, commit: commit?.timestamp })
  }
  const commit = file.follow(db, world)
  const seq = commit?.seq ?? -1
  const content = commit?.content
  if (file.replace && !db.changes().replacesRemote && rule.mayDrop(metaName)) dropReplacement(file)
  for (const [key, value] of [...file.pending]) {
    const actual = await pendingValue(db, key)
    if (session.isDead()) return
    if (actual === value || (file.pending.get(key) !== value)) continue
    const same = (value ?? undefined) === content?.get(key)?.value
    const possible = actual === undefined ? same || rule.mayDrop(key) : rule.valuesOf(key).includes(actual)
    if (!possible) throw new Violation(`after a push that failed, pending for ${key} is ${shown(actual)}, and was ${shown(value)}`)
    file.change(key, actual)
  }
  file.mayBeRebased(world.commits.slice(Math.max(0, first), seq + 1))
}

/** JSON of what is pending; null: a delete; undefined: nothing. */
async function pendingValue(db: Ebooklet<string>, name: string): Promise<string | null | undefined> {
  const changes = db.changes()
  if (name === metaName) return changes.metadataChanged ? JSON.stringify(db.metadata) : undefined
  const change = [...changes].find(({ key }) => key === name)
  return change && (change.type === 'deleted' ? null : JSON.stringify(await db.get(name)))
}

export function isPending(db: Ebooklet<string>, name: string): boolean {
  const changes = db.changes()
  return name === metaName ? changes.metadataChanged : [...changes].some(({ key }) => key === name)
}
