/**
 * `npm run bench`: prints tables of what is fast and what is not, each figure as a ratio between contenders that do the same
 * work in the same run.
 *
 *     npm run bench                     everything
 *     npm run bench -- --quick          smaller, fewer repeats
 *     npm run bench -- map              only the benchmarks of these names
 *
 * A benchmark is a file in bench/benches, listed in bench/benches/index.ts. A peer (another database) is a contender of a
 * work: put what it needs to do the work into a small file of its own, as bench/stores has them for the local file.
 */
import { readFile } from 'node:fs/promises'
import { benchmarks } from './benches/index.js'
import { measure, type Scale } from './harness.js'
import { machine } from './machine.js'
import { tableOf, tableOfSheet } from './table.js'

const args = process.argv.slice(2)
const names = args.filter((arg) => !arg.startsWith('-'))
const unknown = [...args.filter((arg) => arg.startsWith('-') && arg !== '--quick'), ...names.filter((name) => !benchmarks.some((bench) => bench.name === name))]
if (unknown.length > 0) {
  console.error(`Unknown: ${unknown.join(' ')}. Known: --quick, and the benchmarks ${benchmarks.map(({ name }) => name).join(', ')}.`)
  process.exit(2)
}

const quick = args.includes('--quick')
const scale: Scale = { quick, repeats: quick ? 3 : 7 }
const { version } = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
const { text, load, cores } = machine({ ebooklet: version })
console.log(`${text}\nmedians of ${scale.repeats} interleaved repeats after one to warm up${quick ? ', quick' : ''}`)
if (load > cores / 4) console.log(`The machine is busy (load ${load.toFixed(1)}): take these figures for rough.`)

for (const { name, about, works } of benchmarks.filter((bench) => names.length === 0 || names.includes(bench.name))) {
  console.log(`\n## ${name}\n\n${about}`)
  for await (const work of works(scale)) console.log(`\n${'rows' in work ? await tableOfSheet(work) : tableOf(await measure(work, scale.repeats))}`)
}
