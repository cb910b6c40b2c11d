import { journalRoom, placeKeys, withRoom, type JournalRoom } from '../format/journal-room.js'
import type { LocalFile } from './local-file.js'
import type { PendingChanges } from './pending.js'

const SLOT = 1

/** The journal in slot 1 of the local file: keys that were only added go into the room that it has, else it is written anew. */
export class JournalSlot {
  readonly #file: LocalFile
  /* Undefined: not looked for yet, or there is none. */
  #room: JournalRoom | undefined

  constructor(file: LocalFile) {
    this.#file = file
  }

  save(pending: PendingChanges): void {
    if (!pending.unsaved) return
    const { added } = pending
    if (added === undefined || !this.#add(added)) this.#write(pending.encode())
    pending.markSaved()
  }

  #write(journal: Uint8Array): void {
    // Where nothing can be put into it, room would be for nothing.
    const bytes = this.#file.slotBytes ? withRoom(journal) : journal
    this.#file.reserved.set(SLOT, bytes)
    this.#room = journalRoom(bytes)
  }

  /* False when they don't fit. */
  #add(keys: readonly string[]): boolean {
    if (keys.length === 0) return true
    const { slotBytes } = this.#file
    const place = slotBytes?.place(SLOT)
    if (slotBytes === undefined || place === undefined) return false
    this.#room ??= journalRoom(this.#file.reserved.get(SLOT)!.bytes)
    const placed = this.#room && placeKeys(this.#room, keys, place)
    if (placed === undefined) return false
    for (const { at, bytes } of placed.inserts) slotBytes.overwrite(SLOT, at, bytes)
    this.#room = placed.room
    return true
  }
}
