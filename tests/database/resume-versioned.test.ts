import { versionedKind } from './remotes.js'
import { resumeSuite } from './resume-suite.js'

resumeSuite(versionedKind)
