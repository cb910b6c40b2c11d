/**
 * The worker when this package is run from its TypeScript sources, as its tests do: it brings the loader that TypeScript
 * needs. Not part of what is built and published.
 */
import { register } from 'tsx/esm/api'

register()

/** @type {{ default: typeof import('./worker.ts').default }} */
const worker = await import('./worker.ts')

export default worker.default
