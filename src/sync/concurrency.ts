export { forEachConcurrent, waitFor } from '../base/concurrency.js'
