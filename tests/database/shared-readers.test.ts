import { directoryKind, embeddedKind, memoryKind, versionedKind } from './remotes.js'
import { sharedSuite } from './shared-suite.js'

for (const kind of [memoryKind, directoryKind, embeddedKind, versionedKind]) sharedSuite(kind)
