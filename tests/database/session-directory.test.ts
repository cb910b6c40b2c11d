import { directoryKind } from './remotes.js'
import { sessionSuite } from './session-suite.js'

sessionSuite(directoryKind)
