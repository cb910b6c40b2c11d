/** What a push has to do, decided purely: which groups are repacked with which members, which keys go. */
import type { PlacedKey } from './remote-index.js'

export interface PushInput {
  /** Keys of the remote's index that belong to these groups, each with its group. */
  members: (groups: { has(gid: number): boolean }) => Iterable<readonly [number, PlacedKey]>
  written: ReadonlySet<string>
  deletes: ReadonlySet<string>
  groupOf: (key: string) => number
  /** A replacement ignores what the remote holds. */
  replace: boolean
}

/** One group to write anew; with no members it leaves the manifest. */
export interface GroupPlan {
  gid: number
  /** Members that the remote has and that stay as they are. */
  kept: PlacedKey[]
  written: string[]
  deleted: string[]
}

export function planPush(input: PushInput): GroupPlan[] {
  const { written, deletes, groupOf } = input
  const plans = new Map<number, GroupPlan>()
  const planOf = (gid: number) => {
    let plan = plans.get(gid)
    if (!plan) plans.set(gid, (plan = { gid, kept: [], written: [], deleted: [] }))
    return plan
  }
  for (const key of written) planOf(groupOf(key)).written.push(key)
  if (input.replace) return sorted(plans)
  for (const key of deletes) planOf(groupOf(key)).deleted.push(key)
  if (plans.size === 0) return []
  for (const [gid, member] of input.members(plans)) {
    if (!written.has(member.key) && !deletes.has(member.key)) planOf(gid).kept.push(member)
  }
  return sorted(plans)
}

function sorted(plans: ReadonlyMap<number, GroupPlan>): GroupPlan[] {
  return [...plans.values()].sort((a, b) => a.gid - b.gid)
}
