/** docs/promises.md names tests that exist, and leaves open only what other issues bring. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const page = readFileSync(new URL('../../docs/promises.md', import.meta.url), 'utf8')
const rows = page.split('\n').flatMap((line) => {
  const [, promise, shownBy] = /^\| (.+) \| (.+) \|$/.exec(line) ?? []
  return promise !== undefined && shownBy !== undefined && promise !== 'promise' ? [{ promise, shownBy }] : []
})

describe('the table of promises', () => {
  it('has a row for each of the many', () => expect(rows.length).toBeGreaterThan(45))

  it.each(rows)('$promise', ({ shownBy }) => {
    if (/^issue: (rcg|copy|fsck)$/.test(shownBy)) return
    let file: string | undefined
    let tests = 0
    for (const [, path, name] of shownBy.matchAll(/`([^`]+)`|"([^"]+)"/g)) {
      if (path !== undefined) file = readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')
      else if (name !== undefined) {
        expect(file, `a file before "${name}"`).toBeDefined()
        expect(file, name).toContain(name)
        tests++
      }
    }
    expect(tests).toBeGreaterThan(0)
  })
})
