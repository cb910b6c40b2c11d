import { memoryKind } from './remotes.js'
import { sessionSuite } from './session-suite.js'

sessionSuite(memoryKind)
