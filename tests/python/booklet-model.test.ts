/** Python writes every history and reads it: that what the other tests expect is what the original means. */
import { it } from 'vitest'
import { temporaryPath } from '../support/folder.js'
import { describeWithPeers } from '../support/peers.js'
import { PythonPeer } from '../support/python.js'
import { expectPythonSees } from './content.js'
import { contentOf, fixedHistories, variableHistories } from './history.js'

describeWithPeers(['python'], 'histories as Python understands them', () => {
  const python = PythonPeer.forSuite()

  it.each([...variableHistories, ...fixedHistories])('$name', async (history) => {
    const path = temporaryPath()
    for (const [at, session] of history.sessions.entries()) {
      const options = at === 0 ? { path, flag: 'n' as const, ...history.options } : { path, flag: 'w' as const, fixed: history.options.fixed === true }
      await python().write(options, [...session])
    }
    expectPythonSees(await python().dump({ path, fixed: history.options.fixed === true }), contentOf(history))
  })
})
