export { featherSerializer } from './feather.js'
export { type GeometryOptions, readGeometry, withGeometry } from './geometry.js'
export { type ArrowModule, type ArrowTable, setArrowLoader, useArrow } from './module.js'
