import { describeWithPeers } from '../support/peers.js'
import { cephKind } from './remotes.js'
import { conflictSuite } from './conflict-suite.js'

describeWithPeers(['ceph'], 'conflicts on Ceph', () => conflictSuite(cephKind))
