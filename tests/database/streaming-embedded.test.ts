import { embeddedKind } from './remotes.js'
import { streamingSuite } from './streaming-suite.js'

streamingSuite(embeddedKind)
