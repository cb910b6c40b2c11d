import { describeWithPeers } from '../support/peers.js'
import { cephKind } from './remotes.js'
import { streamingSuite } from './streaming-suite.js'

describeWithPeers(['ceph'], 'large groups on Ceph', () => streamingSuite(cephKind))
