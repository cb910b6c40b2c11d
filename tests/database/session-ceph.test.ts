import { describeWithPeers } from '../support/peers.js'
import { cephKind } from './remotes.js'
import { sessionSuite } from './session-suite.js'

describeWithPeers(['ceph'], 'sessions on Ceph', () => sessionSuite(cephKind))
