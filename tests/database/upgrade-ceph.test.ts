import { describeWithPeers } from '../support/peers.js'
import { cephKind } from './remotes.js'
import { upgradeSuite } from './upgrade-suite.js'

describeWithPeers(['ceph'], 'upgrades on Ceph', () => upgradeSuite(cephKind))
