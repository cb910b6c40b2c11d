/** Importing this gives the serializers of data frames their package, as opening a file does. */
import * as flechette from '@uwdata/flechette'
import { type ArrowModule, useArrow } from '../../src/serializers/index.js'

useArrow(flechette as unknown as ArrowModule)
