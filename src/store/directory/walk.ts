import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { compareKeys } from '../keys.js'
import { decodePart, keyPath, prefixFolder, readComponent } from './names.js'

/** Every key with an object below `root` that starts with `prefix`, in order. `check` is called at each folder. */
export async function walkKeys(root: string, prefix: string, check: () => void): Promise<string[]> {
  const found: string[] = []
  const start = prefix.slice(0, prefix.lastIndexOf('/') + 1)
  const folders: { path: string; parents: string; text: string }[] = [{ path: prefixFolder(prefix), parents: start, text: '' }]
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    check()
    for (const name of await namesIn(join(root, folder.path))) {
      const component = readComponent(name)
      if (component === undefined) continue
      const path = join(folder.path, name)
      const text = folder.text + component.text
      if (component.kind === 'piece') {
        folders.push({ path, parents: folder.parents, text })
        continue
      }
      const part = decodePart(text)
      if (part === undefined) continue
      const key = folder.parents + part
      if (component.kind === 'folder') {
        const below = `${key}/`
        if (below.startsWith(prefix) || prefix.startsWith(below)) folders.push({ path, parents: below, text: '' })
      } else if (key.startsWith(prefix) && keyPath(key) === path) found.push(key)
    }
  }
  return found.sort(compareKeys)
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    // Deleted meanwhile, with its last object.
    if ((error as { code?: unknown }).code === 'ENOENT') return []
    throw error
  }
}
