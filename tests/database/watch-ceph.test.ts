import { describeWithPeers } from '../support/peers.js'
import { cephKind } from './remotes.js'
import { watchSuite } from './watch-suite.js'

describeWithPeers(['ceph'], 'watching on Ceph', () => watchSuite(cephKind))
