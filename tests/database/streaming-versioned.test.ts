import { versionedKind } from './remotes.js'
import { streamingSuite } from './streaming-suite.js'

streamingSuite(versionedKind)
