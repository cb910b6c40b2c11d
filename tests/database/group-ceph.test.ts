import { describeWithPeers } from '../support/peers.js'
import { newCephBucket } from '../support/real-servers.js'
import { groupSuite, type MemberPlace } from './group-suite.js'
import { cephKind } from './remotes.js'

async function cephPlace(): Promise<MemberPlace> {
  return { options: await newCephBucket(), publicUrl: undefined, close: async () => undefined }
}

describeWithPeers(['ceph'], 'connection groups on Ceph', () => groupSuite(cephKind, cephPlace))
