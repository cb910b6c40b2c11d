import { FormatError, InvalidArgumentError } from '../base/error.js'

/** Which generation of each group is live: group number → 13 characters. Empty in per-key mode. */
export type Manifest = ReadonlyMap<number, string>

/* A number is canonical: no sign, no leading zero. The original makes hex; letters beyond f do no harm. */
const groupName = /^(0|[1-9]\d{0,9})\.([0-9a-z]{13})$/
const maxGid = 2 ** 32 - 1

/** Takes `<gid>.<generation>` apart; undefined for anything else. */
export function groupFromText(text: string): { gid: number; generation: string } | undefined {
  const match = groupName.exec(text)
  if (match?.[1] === undefined || match[2] === undefined) return undefined
  const gid = Number(match[1])
  return gid > maxGid ? undefined : { gid, generation: match[2] }
}

/** The JSON text of a manifest, in the order of the group numbers. */
export function manifestToJson(manifest: Manifest): string {
  const members = [...manifest].sort(([a], [b]) => a - b).map(([gid, generation]) => {
    if (groupFromText(`${gid}.${generation}`) === undefined) throw new InvalidArgumentError(`A manifest can not hold group ${gid} with generation ${JSON.stringify(generation)}.`)
    return `"${gid}":"${generation}"`
  })
  return `{${members.join()}}`
}

/**
 * Checks what JSON gave for a manifest. A name that could lead out of the database's own group objects is refused.
 * @throws FormatError
 */
export function manifestFromJson(value: unknown, where: string): Map<number, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new FormatError(`${where} is not a JSON object.`)
  const manifest = new Map<number, string>()
  for (const [name, generation] of Object.entries(value as Record<string, unknown>)) {
    const group = typeof generation === 'string' ? groupFromText(`${name}.${generation}`) : undefined
    if (group === undefined) throw new FormatError(`${where} holds a bad entry: ${JSON.stringify(name).slice(0, 60)} → ${(JSON.stringify(generation) ?? '').slice(0, 60)}. Expected a group number and a generation of 13 characters.`)
    manifest.set(group.gid, group.generation)
  }
  return manifest
}
