import { memoryKind } from './remotes.js'
import { conflictSuite } from './conflict-suite.js'

conflictSuite(memoryKind)
