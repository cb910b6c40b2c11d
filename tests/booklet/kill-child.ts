/*
 * Writes to a booklet for ever, and says on stdout after each sync which state is safe now. Every state
 * follows from its number alone, so the parent knows what must be in the file. Arguments: path, seed,
 * number of the state to start from.
 */
import { writeSync } from 'node:fs'
import { openBooklet } from '../../src/booklet/index.js'
import { applyRound } from './kill-model.js'

const [path, seed, first] = process.argv.slice(2)
const booklet = openBooklet<string, Uint8Array>(path!, { flag: 'w', bufferSize: 3000 })
for (let round = Number(first); ; round++) {
  applyRound(Number(seed), round, {
    set: (key, value) => booklet.set(key, value),
    delete: (key) => booklet.delete(key),
  })
  if (round % 17 === 16) booklet.prune()
  else booklet.sync()
  writeSync(1, `${round}\n`)
}
