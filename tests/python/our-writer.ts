/** A process of ours that writes a workload until it is killed: our-writer.ts PATH SEED. Prints a line for each completed sync. */
import { writeSync } from 'node:fs'
import { killWorkload } from './kill-workload.js'
import { applyOurs, openOurs } from './ours.js'

const [path = '', seed = ''] = process.argv.slice(2)
const workload = killWorkload(Number(seed))
const booklet = openOurs(path, 'n', workload.options)
booklet.sync()
writeSync(1, 'created\n')
for (const batch of workload.batches()) {
  for (const operation of batch) applyOurs(booklet, operation)
  booklet.sync()
  // Not console.log, which may come out later: the line must be out before the next write.
  writeSync(1, 'synced\n')
}
