import { describeWithPeers } from '../support/peers.js'
import { cephKind } from '../database/remotes.js'
import { fsckSuite } from './remote-suite.js'

describeWithPeers(['ceph'], 'fsckRemote on Ceph', () => fsckSuite(cephKind))
