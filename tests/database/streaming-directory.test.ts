import { directoryKind } from './remotes.js'
import { streamingSuite } from './streaming-suite.js'

streamingSuite(directoryKind)
