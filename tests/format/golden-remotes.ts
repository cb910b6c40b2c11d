import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { goldenFolder, readGoldenFile, readGoldenJson } from '../support/golden.js'

export { readGoldenFile }

/** One S3 object after a step of the original; `blob` is where its bytes are, below the golden folder. */
export interface GoldenObject {
  readonly key: string
  readonly is_latest?: boolean
  readonly user_metadata?: Readonly<Record<string, string>>
  readonly blob?: string
}

/** What the original left on the remote and in local files after one step. */
export interface GoldenRemote {
  readonly name: string
  readonly db_key: string
  readonly requests: readonly { readonly key: string }[]
  readonly objects: readonly GoldenObject[]
  /** While a lock was held. */
  readonly held_objects?: readonly GoldenObject[]
  readonly db_object?: null | {
    readonly manifest: Readonly<Record<string, string>>
    readonly meta_section: string | null
    readonly index_size: number
    readonly index_entries: Readonly<Record<string, { timestamp: number; offset: number; length: number }>>
    readonly groups: Readonly<Record<string, { readonly generation: string; readonly entries: readonly { key: string; timestamp: number; value_sha256: string }[] }>>
  }
  readonly local_files?: Readonly<Record<string, { readonly slot1_journal?: { readonly json: string }; readonly slot2_remote_state?: { readonly json: string } }>>
}

export function goldenRemotes(folder: 'remote' | 'remote-format1'): GoldenRemote[] {
  const names = readdirSync(join(goldenFolder, folder)).filter(name => name.endsWith('.json'))
  return names.sort().map(name => {
    const remote = readGoldenJson<Partial<GoldenRemote>>(`${folder}/${name}`)
    // Some steps touched only local files or only locks.
    return { objects: [], requests: [], ...remote } as GoldenRemote
  })
}
