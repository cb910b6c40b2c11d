import { embeddedKind } from './remotes.js'
import { conflictSuite } from './conflict-suite.js'

conflictSuite(embeddedKind)
