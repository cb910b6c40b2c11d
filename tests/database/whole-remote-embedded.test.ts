import { embeddedKind } from './remotes.js'
import { wholeRemoteSuite } from './whole-remote-suite.js'

wholeRemoteSuite(embeddedKind)
