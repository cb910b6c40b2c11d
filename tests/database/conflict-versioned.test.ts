import { versionedKind } from './remotes.js'
import { conflictSuite } from './conflict-suite.js'

conflictSuite(versionedKind)
