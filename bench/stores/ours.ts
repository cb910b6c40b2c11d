import { join } from 'node:path'
import type { Booklet } from '../../src/booklet/index.js'
import type { Value } from '../data.js'
import type { loadBooklet } from '../library.js'
import { mark, type OpenStore, type Shape, type Store } from './store.js'

type Library = Awaited<ReturnType<typeof loadBooklet>>

/** This project's file, with its usual settings. */
export function ours(library: Library, buckets?: number): Store {
  const open = (folder: string, { json, cacheBytes }: Shape, flag: 'n' | 'r' | 'w') => {
    const file = library.openBooklet<string, Value>(join(folder, 'ours.blt'), {
      flag,
      valueSerializer: json ? 'json' : 'bytes',
      ...(buckets === undefined ? {} : { buckets }),
      ...(cacheBytes === undefined ? {} : { cacheBytes }),
    })
    return json ? openObjects(file) : openBytes(file)
  }
  return {
    name: 'ebooklet',
    about: 'ebooklet: sync() returns when everything survives a power cut (fdatasync before and after each step of the commit)',
    create: (folder, shape) => open(folder, shape, 'n'),
    open: (folder, shape, access) => open(folder, shape, access === 'read' ? 'r' : 'w'),
  }
}

function openBytes(file: Booklet<string, Value>): OpenStore {
  return {
    ...openObjects(file),
    read(keys) {
      let sum = 0
      for (const key of keys) sum += mark(file.getBytes(key))
      return sum
    },
  }
}

function openObjects(file: Booklet<string, Value>): OpenStore {
  return {
    write(keys, values) {
      for (let i = 0; i < keys.length; i++) file.set(keys[i]!, values[i % values.length]!)
      file.sync()
    },
    read(keys) {
      let sum = 0
      for (const key of keys) sum += mark(file.get(key))
      return sum
    },
    iterate() {
      let sum = 0
      for (const [key, value] of file) sum += key.length + mark(value)
      return sum
    },
    close: () => file.close(),
  }
}
