import { memoryKind } from './remotes.js'
import { streamingSuite } from './streaming-suite.js'

streamingSuite(memoryKind)
