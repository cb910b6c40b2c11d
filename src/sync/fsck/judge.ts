/** What the index and the manifest say, held against each other and against the objects that are there. Pure. */
import { entryHeaderBytes } from '../../format/group.js'
import { groupKey } from '../../format/names.js'
import { remoteFinding, type RemoteFinding } from './finding.js'
import type { References } from './references.js'

type Add = (finding: RemoteFinding) => void

/** Entries that lie outside of the objects that were seen. */
export function judgeEntries(references: References, add: Add): void {
  for (const { key, entry, group } of references.entries()) {
    if (group === undefined) continue
    const objectBytes = references.groupSizes.get(group)
    if (objectBytes === undefined) continue
    const { offset, length } = entry
    if (offset >= 4 + entryHeaderBytes(key) && offset + length <= objectBytes) continue
    add(remoteFinding('entry-outside-object', { key, object: references.objectOf(group)!, offset, length, objectBytes }))
  }
}

/** What is referred to and was not seen, and what is named and not needed. */
export function judgeMissingObjects(references: References, context: { dbKey: string; hidden: ReadonlySet<string>; add: Add }): void {
  const { dbKey, hidden, add } = context
  const needed = references.neededGroups()
  for (const [group, { keys, keyCount }] of needed) {
    const object = references.objectOf(group)
    if (object === undefined) add(remoteFinding('group-not-in-manifest', { group, keys, keyCount }))
    else if (!references.groupSizes.has(group)) add(remoteFinding('missing-object', { object, group, keys, keyCount, hidden: hidden.has(object) }))
  }
  for (const [group, generation] of references.manifest) {
    if (!needed.has(group)) add(remoteFinding('unneeded-generation', { object: groupKey(dbKey, group, generation), group, exists: references.groupSizes.has(group) }))
  }
  if (references.numGroups !== undefined || !references.someUnmarked) return
  for (const { key } of references.entries()) {
    if (references.isMarked(key)) continue
    const object = `${dbKey}/${key}`
    add(remoteFinding('missing-object', { object, group: undefined, keys: [key], keyCount: 1, hidden: hidden.has(object) }))
  }
}
