import { directoryKind } from './remotes.js'
import { resumeSuite } from './resume-suite.js'

resumeSuite(directoryKind)
