import { directoryKind } from '../database/remotes.js'
import { fsckSuite } from './remote-suite.js'

fsckSuite(directoryKind)
