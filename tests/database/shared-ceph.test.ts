import { describeWithPeers } from '../support/peers.js'
import { cephKind } from './remotes.js'
import { sharedSuite } from './shared-suite.js'

describeWithPeers(['ceph'], 'readers that share a local file, on Ceph', () => sharedSuite(cephKind))
