import { describeWithPeers } from '../support/peers.js'
import { cephKind } from './remotes.js'
import { wholeRemoteSuite } from './whole-remote-suite.js'

describeWithPeers(['ceph'], 'on Ceph', () => wholeRemoteSuite(cephKind))
