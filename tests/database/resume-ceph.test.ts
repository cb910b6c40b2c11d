import { describeWithPeers } from '../support/peers.js'
import { cephKind } from './remotes.js'
import { resumeSuite } from './resume-suite.js'

describeWithPeers(['ceph'], 'pushes that go on, on Ceph', () => resumeSuite(cephKind))
