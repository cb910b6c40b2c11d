import type * as Booklet from '../src/booklet/index.js'
import type * as Ebooklet from '../src/index.js'
import type { Scale } from './harness.js'

/*
 * The library as its users get it: built. `npm run bench` builds it first. Tests, which don't measure, take the sources: what
 * was built may be of yesterday, or being built right now.
 */
type Of = Pick<Scale, 'tiny'>

/** `ebooklet/booklet`. */
export async function loadBooklet({ tiny = false }: Of = {}): Promise<typeof Booklet> {
  if (tiny) return import('../src/booklet/index.js')
  return (await import(new URL('../dist/booklet/index.js', import.meta.url).href)) as typeof Booklet
}

/** `ebooklet`. */
export async function loadEbooklet({ tiny = false }: Of = {}): Promise<typeof Ebooklet> {
  if (tiny) return import('../src/index.js')
  return (await import(new URL('../dist/index.js', import.meta.url).href)) as typeof Ebooklet
}
