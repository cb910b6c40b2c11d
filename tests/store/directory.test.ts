import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DirectoryStore } from '../../src/store/directory/directory-store.js'
import { objectStoreConformance } from './conformance.js'

objectStoreConformance(
  'directory',
  async () => {
    const root = await mkdtemp(join(tmpdir(), 'ebooklet-store-'))
    return {
      open: () => new DirectoryStore({ root }),
      missing: () => new DirectoryStore({ root: join(root, 'not-there') }),
      dispose: () => rm(root, { recursive: true }),
    }
  },
  { pagingObjects: 150 },
)
