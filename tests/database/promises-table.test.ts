/** docs/promises.md, docs/sync.md, docs/coming-from-python.md and the merge in docs/architecture.md name tests that exist; the former leaves open only what other issues bring. */
import { describe, expect, it } from 'vitest'
import { expectShown, tableRows } from '../support/shown-by.js'

describe('the table of promises', () => {
  const rows = tableRows('promises.md').map((row) => ({ promise: row[0], shownBy: row.at(-1)! }))

  it('has a row for each of the many', () => expect(rows.length).toBeGreaterThan(45))

  it.each(rows)('$promise', ({ shownBy }) => {
    if (/^issue: (rcg|copy|fsck)$/.test(shownBy)) return
    expectShown(shownBy)
  })
})

describe('the table for those who come from Python', () => {
  const rows = tableRows('coming-from-python.md')

  it('has a row for each of the many', () => expect(rows.length).toBeGreaterThan(80))

  it.each(rows.map((row) => ({ theirs: row[0], row })))('$theirs', ({ row }) => {
    expect(row.length).toBe(4)
    expect(row[0]).not.toBe('')
    expect(row[1]).not.toBe('')
    expectShown(row[3]!)
  })
})

describe('the tables of what becomes of changes on both sides', () => {
  const rows = tableRows('sync.md').filter((row) => row.length === 7)
  const invariants = tableRows('architecture.md').filter((row) => /^M\d/.test(row[0]!))

  it('have a row for each kind', () => {
    for (const kind of ['both-changed', 'changed-deleted', 'deleted-changed', 'metadata', 'replacement']) expect(rows.some((row) => row[1]!.includes(kind))).toBe(true)
    expect(rows.length).toBeGreaterThan(12)
    expect(invariants.length).toBeGreaterThan(8)
  })

  it.each([...rows, ...invariants].map((row) => ({ name: row.slice(0, 2).join(' / '), row })))('$name', ({ row }) => expectShown(row.at(-1)!))
})
