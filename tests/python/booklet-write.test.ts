/** We write, Python reads: every kind of file, every serializer, and what Python itself can't write without damage. */
import { describe, it } from 'vitest'
import { temporaryPath } from '../support/folder.js'
import { describeWithPeers } from '../support/peers.js'
import { PythonPeer } from '../support/python.js'
import { sampleValues, sharedSerializers } from '../support/samples.js'
import { toTagged } from '../support/tagged.js'
import { expectPythonSees } from './content.js'
import { beyondPython, contentOf, fixedHistories, fixedValue, set, variableHistories, type History } from './history.js'
import { expectWeSee, openOurs, writeOurs } from './ours.js'

describeWithPeers(['python'], 'booklet files that we wrote', () => {
  const python = PythonPeer.forSuite()

  it.each([...variableHistories, ...fixedHistories, ...beyondPython])('$name', async (history) => {
    const path = temporaryPath()
    writeOurs(path, history)
    const content = contentOf(history)
    const fixed = history.options.fixed === true
    expectPythonSees(await python().dump({ path, fixed }), content)

    // Python changes it, and both still agree.
    const [first] = content.entries.keys()
    const added = set('added by Python', fixed ? fixedValue(history.options.valueLength ?? 1, 5) : 'x')
    const changes = [fixed && added.op === 'set' ? { op: 'set' as const, key: added.key, value: added.value } : added, ...(first === undefined ? [] : [{ op: 'delete' as const, key: JSON.parse(first) as string }])]
    await python().write({ path, fixed, flag: 'w' }, changes)
    const changed = contentOf({ options: history.options, sessions: [...history.sessions, changes] })
    expectPythonSees(await python().dump({ path, fixed }), changed)
    const booklet = openOurs(path, 'w', { fixed })
    expectWeSee(booklet, changed)
    booklet.close()
    expectPythonSees(await python().dump({ path, fixed }), changed)
  })

  it('grown twice over the ladder of bucket numbers', async () => {
    const operations = Array.from({ length: 12_100 }, (_, at) => set(`key${String(at)}`, `value ${String(at)}`))
    const history: History = { name: '', options: { keySerializer: 'str', valueSerializer: 'str', buckets: 7 }, sessions: [operations.slice(0, 50), operations.slice(50), [set('late', 'y')]] }
    const path = temporaryPath()
    writeOurs(path, history)
    expectPythonSees(await python().dump({ path }), contentOf(history))
  })

  describe.each(sharedSerializers)('values of %s', (valueSerializer) => {
    it('mean the same to Python', async () => {
      const values = sampleValues(valueSerializer, 25)
      const path = temporaryPath()
      const booklet = openOurs(path, 'n', { keySerializer: 'str', valueSerializer, buckets: 97 })
      const sessions = [values.map((value, at) => set(`k${String(at)}`, toTagged(value)))]
      for (const [at, value] of values.entries()) {
        const operation = sessions[0]?.[at]
        if (operation?.op !== 'set' || 'valueLength' in booklet) throw new Error('unreachable')
        booklet.set(operation.key, value, { timestamp: operation.timestamp ?? 0 })
      }
      booklet.close()
      expectPythonSees(await python().dump({ path }), contentOf({ options: {}, sessions }))
    })
  })
})
