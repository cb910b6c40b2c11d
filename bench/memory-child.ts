/** Does one thing with a database and prints the peak of its resident memory in MB: `tsx bench/memory-child.ts <MemoryTask as JSON>`. */
import type { MemoryTask } from './benches/local-memory.js'
import { makeBytes, makeKeys, sample } from './data.js'
import { newFolder, removeFolder } from './folders.js'
import { peakMemory } from './peak-memory.js'
import { stores } from './stores/index.js'

const task = JSON.parse(process.argv[2]!) as MemoryTask
const { step, folder, keys: count } = task
const keys = makeKeys(count)
const values = makeBytes(task.valueBytes, 2)
const chosen = sample(keys, Math.min(count, step === 'overwrite' ? count / 10 : 100_000))
const store = (await stores({ quick: true, tiny: task.tiny, repeats: 1 })).find(({ name }) => name === task.store)

if (store !== undefined) {
  if (step === 'set all') {
    const fresh = newFolder()
    const db = await store.create(fresh, task)
    await db.write(keys, values)
    await db.close()
    removeFolder(fresh)
  } else {
    const db = await store.open(folder, task, step === 'overwrite' ? 'write' : 'read')
    if (step === 'overwrite') await db.write(chosen, values)
    else if (step === 'iterate') await db.iterate()
    else await db.read(step === 'open' ? chosen.slice(0, 1) : chosen)
    await db.close()
  }
}
console.log(peakMemory())
