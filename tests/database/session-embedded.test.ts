import { embeddedKind } from './remotes.js'
import { sessionSuite } from './session-suite.js'

sessionSuite(embeddedKind)
