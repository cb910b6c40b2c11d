import { versionedKind } from '../database/remotes.js'
import { fsckSuite } from './remote-suite.js'

fsckSuite(versionedKind)
