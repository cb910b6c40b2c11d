/** Which errors faults, rivals and closing may lead to. */
import { Violation } from './world.js'

const passing = new Set([
  'STORE_UNREACHABLE', 'STORE_REQUEST', 'INCOMPLETE_RESPONSE', 'LOCK_LOST', 'LOCK_TIMEOUT', 'LOCK_RELEASE', 'LOCK_UNAVAILABLE', 'COMMIT_FAILED', 'COMMIT_CONFLICT',
  'CLOSED', 'PUSH_IN_PROGRESS', 'REMOTE_NOT_FOUND', 'UUID_MISMATCH', 'READ_ONLY', 'CONFLICTING_OPTION', 'REMOTE_CHANGED', 'PUSH_CONFLICT', 'DISCARD_REFUSED',
])

/** Throws unless it is an error that faults, rivals and closing may lead to. */
export function checkError(error: unknown): void {
  if (error instanceof Violation) throw error
  const { code, name } = error as { code?: unknown; name?: unknown }
  if ((typeof code === 'string' && passing.has(code)) || name === 'AbortError') return
  throw new Violation(`an error that nothing explains: ${String(error)}`, { cause: error })
}
