export { ByteBudget } from './byte-budget.js'
export { objectSource, readInPieces, type KnownObject } from './object-source.js'
export { DEFAULT_PART_SIZE, partLayout, putLarge, type LargeSource, type PutLargeOptions } from './put-large.js'
