import { join } from 'node:path'

/*
 * How a key becomes a path below the root, exactly and without collisions, on file systems that ignore case too.
 * The key is split at each `/`; every part is percent-encoded, in lower case, so that only a-z 0-9 . _ - stay; a part
 * longer than a file name may be is continued in a further component. The last two characters of a component say
 * what it is:
 *
 *   .o   the end of the last part: the object
 *   .d   the end of another part: a folder
 *   .c   a piece of a part that goes on below
 *
 * `Ab//ключ` is `%41b.d/.d/%d0%ba%d0%bb%d1%8e%d1%87.o`. Nothing else ends so: what doesn't is not ours.
 */

/** Characters of a component before its suffix. File names have 255 on all usual systems. */
const PIECE = 200

/** Names that Windows takes for devices, whatever follows a dot. */
const DEVICE = /^(?:con|prn|aux|nul|com\d|lpt\d)(?=\.|$)/

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The path of a key's object, below the root. */
export function keyPath(key: string): string {
  const parts = key.split('/')
  const components = parts.flatMap((part, i) => partComponents(part, i === parts.length - 1 ? '.o' : '.d'))
  return join(...components)
}

/** The folder that holds every key that starts with `prefix` up to its last `/`, below the root; empty for the root. */
export function prefixFolder(prefix: string): string {
  const folders = prefix.split('/').slice(0, -1)
  return folders.length === 0 ? '' : join(...folders.flatMap((part) => partComponents(part, '.d')))
}

function partComponents(part: string, suffix: '.o' | '.d'): string[] {
  const pieces: string[] = ['']
  for (const byte of encoder.encode(part)) {
    const token = tokenOf(byte)
    const last = pieces.length - 1
    const piece = pieces[last] ?? ''
    if (piece.length + token.length > PIECE) pieces.push(token)
    else pieces[last] = piece + token
  }
  return pieces.map((piece, i) => withoutDevice(piece) + (i === pieces.length - 1 ? suffix : '.c'))
}

function tokenOf(byte: number): string {
  const plain = (byte >= 0x61 && byte <= 0x7a) || (byte >= 0x30 && byte <= 0x39) || byte === 0x2e || byte === 0x5f || byte === 0x2d
  return plain ? String.fromCharCode(byte) : `%${byte.toString(16).padStart(2, '0')}`
}

function withoutDevice(piece: string): string {
  return DEVICE.test(piece) ? `%${piece.charCodeAt(0).toString(16)}${piece.slice(1)}` : piece
}

export type ComponentKind = 'object' | 'folder' | 'piece'

/** What a name in a folder is, with its encoded text; undefined for what isn't ours. */
export function readComponent(name: string): { kind: ComponentKind; text: string } | undefined {
  const kind = ({ '.o': 'object', '.d': 'folder', '.c': 'piece' } as const)[name.slice(-2)]
  return kind === undefined ? undefined : { kind, text: name.slice(0, -2) }
}

/** The part of a key that the texts of its components stand for; undefined where they stand for none. */
export function decodePart(text: string): string | undefined {
  if (!/^(?:[a-z0-9._-]|%[0-9a-f]{2})*$/.test(text)) return undefined
  const bytes: number[] = []
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '%') {
      bytes.push(Number.parseInt(text.slice(at + 1, at + 3), 16))
      at += 2
    } else bytes.push(text.charCodeAt(at))
  }
  try {
    return decoder.decode(Uint8Array.from(bytes))
  } catch {
    return undefined
  }
}
