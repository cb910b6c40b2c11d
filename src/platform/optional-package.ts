import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

/** Loads a package that users may or may not have installed, at once. Throws what `require` throws where they haven't. */
export function loadOptional(name: string): unknown {
  return require(name)
}
