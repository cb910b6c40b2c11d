import { loadOptional } from '../platform/optional-package.js'
import { setArrowLoader } from '../serializers/index.js'

/** Tells the serializers how to get the packages that some of them need; nothing is loaded before one of those is used. */
export function offerPackages(): void {
  setArrowLoader(() => loadOptional('@uwdata/flechette'))
}
