import { directoryKind } from './remotes.js'
import { conflictSuite } from './conflict-suite.js'

conflictSuite(directoryKind)
