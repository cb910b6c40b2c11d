import { groupSuite, groupTests } from './group-suite.js'
import { directoryKind, embeddedKind, memoryKind } from './remotes.js'

groupTests(memoryKind)
for (const kind of [memoryKind, directoryKind, embeddedKind]) groupSuite(kind)
