import { versionedKind } from './remotes.js'
import { sessionSuite } from './session-suite.js'

sessionSuite(versionedKind)
