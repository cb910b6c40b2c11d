import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { loadBooklet } from '../library.js'
import type { Scale } from '../harness.js'
import { lmdb, type Lmdb } from './lmdb.js'
import { ours } from './ours.js'
import { sqlite, type Sqlite } from './sqlite.js'
import type { Store } from './store.js'

const folder = fileURLToPath(new URL('../peers/', import.meta.url))

/**
 * The databases to compare, peers first. They are installed when they are first asked for, by a lock file of their own; one
 * that can't be installed or loaded here is left out, and said so.
 */
export async function stores({ tiny = false }: Scale): Promise<Store[]> {
  // Tests take what is there.
  if (!tiny && !existsSync(`${folder}node_modules`)) install()
  const peers = [load<Lmdb>('lmdb', lmdb), load<Sqlite>('better-sqlite3', sqlite)]
  return [...peers.filter((peer) => peer !== undefined), ours(await loadBooklet({ tiny }))]
}

function install(): void {
  console.error(`Installing what is compared with (lmdb, better-sqlite3) in ${folder}; without a prebuilt binary this compiles for a minute or more.`)
  try {
    execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: folder, stdio: ['ignore', 'inherit', 'inherit'], shell: process.platform === 'win32' })
  } catch (error) {
    console.error(`That failed: ${String(error)}`)
  }
}

function load<T>(name: string, store: (module: T, version: string) => Store): Store | undefined {
  const require = createRequire(`${folder}package.json`)
  try {
    // Not all let their package.json be imported.
    const { version } = JSON.parse(readFileSync(`${folder}node_modules/${name}/package.json`, 'utf8')) as { version: string }
    return store(require(name) as T, version)
  } catch (error) {
    console.error(`${name} is not compared with: ${String(error).split('\n')[0]}`)
    return undefined
  }
}
