/** The tables in docs that say which tests show what: their rows, and that the tests named there exist. */
import { readFileSync } from 'node:fs'
import { expect } from 'vitest'

/** The cells of every row of the tables of a page, without heads. */
export function tableRows(page: string): string[][] {
  const lines = readFileSync(new URL(`../../docs/${page}`, import.meta.url), 'utf8').split('\n')
  const cells = (line: string) => (/^\|.*\|$/.test(line) ? line.slice(1, -1).split('|').map((cell) => cell.trim()) : undefined)
  return lines.flatMap((line, at) => {
    const row = cells(line)
    const isHead = /^\|(-+\|)+$/.test(lines[at + 1] ?? '')
    return row === undefined || isHead || /^\|(-+\|)+$/.test(line) ? [] : [row]
  })
}

/** Checks a cell of files and names: `` `lock/lock.test.ts` "a name", "another" ``, with paths below tests/. */
export function expectShown(shownBy: string): void {
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
}
