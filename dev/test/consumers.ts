/** The projects that use the packed package: what each holds and how it is run. */
import { join } from 'node:path'
import { projectRoot } from './command.js'

const useBooklet = `
  const file = openBooklet(null, { flag: 'n', keySerializer: 'str', valueSerializer: 'json' })
  file.set('key', ['one', 2])
  if (file.size !== 1 || JSON.stringify(file.get('key')) !== '["one",2]') throw new Error('the value did not come back')
  file.close()
  if (typeof root.openEbooklet !== 'function') throw new Error('openEbooklet is missing')
  const { KeyvEbooklet } = await import('ebooklet/keyv')
  const { default: driver, ebookletDriver } = await import('ebooklet/unstorage')
  if (typeof KeyvEbooklet !== 'function' || driver !== ebookletDriver) throw new Error('an adapter is missing')
`

const useMap = `
import { openBooklet } from 'ebooklet/booklet'

const file = openBooklet(null, { valueSerializer: 'msgpack_zstd' })
for (let i = 0; i < 100; i++) file.set('key' + i, i)
let sum = 0
for await (const [key, value] of file.map({ module: new URL('./double.mjs', import.meta.url), name: 'double' }, { workers: 2 })) sum += value
for await (const [key, value] of file.map((key, value) => (value < 2 ? [key, value] : null))) sum += value
if (sum !== 9901) throw new Error('the map gave ' + sum)
file.close()
`

const typedUse = `
import { openEbooklet, S3Connection } from 'ebooklet'
import { openBooklet, type Booklet } from 'ebooklet/booklet'
import { KeyvEbooklet } from 'ebooklet/keyv'
import ebookletDriver, { type EbookletDriver } from 'ebooklet/unstorage'

const store = new KeyvEbooklet({ path: 'cache.blt', valueSerializer: 'str' })
const driver: EbookletDriver = ebookletDriver({ remote: 's3://bucket/key', path: 'copy.blt', flag: 'w' })
export const cached: Promise<string | undefined> = store.get<string>('key')
export const item: Promise<boolean> = driver.hasItem('key')

const file: Booklet<string, number[]> = openBooklet<string, number[]>('numbers.blt', { flag: 'c', valueSerializer: 'json' })
const map: Map<string, number[]> = file
const value: number[] | undefined = map.get('key')
// @ts-expect-error the types of values are checked
file.set('key', 'not numbers')

export async function total(): Promise<number> {
  let sum = 0
  for await (const [key, length] of file.map((key, value) => (value.length > 0 ? [key, value.length] : null), { workers: 2 })) {
    const text: string = key
    sum += text.length + length
  }
  return sum
}

export async function open(): Promise<number[] | undefined> {
  const remote = new S3Connection({ accessKeyId: 'id', secretAccessKey: 'secret', bucket: 'bucket', dbKey: 'db.blt' })
  await using db = await openEbooklet<number[]>(remote, './db.blt', { flag: 'c', valueSerializer: 'json', numGroups: 64 })
  return value ?? (await db.get('key'))
}
`

const typedCommonJs = `
export async function size(path: string): Promise<number> {
  const { openBooklet } = await import('ebooklet/booklet')
  const { openEbooklet } = await import('ebooklet')
  if (typeof openEbooklet !== 'function') throw new Error('openEbooklet is missing')
  return openBooklet(path).size
}
`

function typeScriptProject(file: string, module: string, moduleResolution: string): string {
  const compilerOptions = {
    strict: true,
    noEmit: true,
    exactOptionalPropertyTypes: true,
    // The declarations of the package are checked with the program that uses them.
    skipLibCheck: false,
    target: 'ES2022',
    lib: ['ES2023', 'ESNext.Disposable', 'DOM'],
    types: ['node'],
    module,
    moduleResolution,
  }
  return JSON.stringify({ compilerOptions, files: [file] })
}

export const consumerFiles: Readonly<Record<string, string>> = {
  'package.json': JSON.stringify({ name: 'consumer', private: true, type: 'module' }),
  'use.mjs': `import * as root from 'ebooklet'\nimport { openBooklet } from 'ebooklet/booklet'\n${useBooklet}`,
  'use.cjs': `(async () => {\n  const root = await import('ebooklet')\n  const { openBooklet } = await import('ebooklet/booklet')\n${useBooklet}})().catch((error) => {\n  console.error(error)\n  process.exit(1)\n})\n`,
  'manifest.mjs': `import { createRequire } from 'node:module'\nif (createRequire(import.meta.url)('ebooklet/package.json').name !== 'ebooklet') throw new Error('another package')\n`,
  'map.mjs': useMap,
  'double.mjs': 'export const double = (key, value) => [key, value * 2]',
  'use.ts': typedUse,
  'use-common.cts': typedCommonJs,
  'tsconfig.esm.json': typeScriptProject('use.ts', 'NodeNext', 'NodeNext'),
  'tsconfig.bundler.json': typeScriptProject('use.ts', 'ESNext', 'Bundler'),
  'tsconfig.commonjs.json': typeScriptProject('use-common.cts', 'NodeNext', 'NodeNext'),
}

export interface Consumer {
  readonly name: string
  /** What Node is started with, in the folder of the files above. */
  readonly args: readonly string[]
}

const tsc = join(projectRoot, 'node_modules', 'typescript', 'bin', 'tsc')

export const consumers: readonly Consumer[] = [
  { name: 'an ES module', args: ['use.mjs'] },
  { name: 'CommonJS with import()', args: ['use.cjs'] },
  { name: 'an ES module that maps on worker threads', args: ['map.mjs'] },
  { name: 'a tool that reads its package.json', args: ['manifest.mjs'] },
  { name: 'TypeScript, ES module', args: [tsc, '-p', 'tsconfig.esm.json'] },
  { name: 'TypeScript, bundler', args: [tsc, '-p', 'tsconfig.bundler.json'] },
  { name: 'TypeScript, CommonJS with import()', args: [tsc, '-p', 'tsconfig.commonjs.json'] },
]
