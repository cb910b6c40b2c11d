/** fast-check with the seed of this run, so that properties try the same cases until another seed is given. */
import fc from 'fast-check'
import { testSeed } from './seed.js'

fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: testSeed })

export { fc }
