/** The library as its users get it: built. `npm run bench` builds it first. */
import type * as Booklet from '../src/booklet/index.js'

/** `ebooklet/booklet`. */
export async function loadBooklet(): Promise<typeof Booklet> {
  return (await import(new URL('../dist/booklet/index.js', import.meta.url).href)) as typeof Booklet
}
