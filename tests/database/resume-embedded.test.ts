import { embeddedKind } from './remotes.js'
import { resumeSuite } from './resume-suite.js'

resumeSuite(embeddedKind)
