import { directoryKind } from './remotes.js'
import { wholeRemoteSuite } from './whole-remote-suite.js'

wholeRemoteSuite(directoryKind)
