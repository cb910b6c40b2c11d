import { memoryKind } from './remotes.js'
import { resumeSuite } from './resume-suite.js'

resumeSuite(memoryKind)
