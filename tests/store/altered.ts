import type { ObjectStore } from '../../src/store/object-store.js'

/** A store of which some calls are replaced. */
export function altered(store: ObjectStore, changes: Partial<ObjectStore>): ObjectStore {
  return new Proxy(store, {
    get(target, name) {
      const changed = (changes as Record<string | symbol, unknown>)[name]
      if (changed !== undefined) return changed
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}
