export { breakLocks, listLocks, STALE_AFTER, type BreakLocksOptions, type ListLocksOptions } from './break.js'
export { evaluateElection, ticketDate, type ElectionResult, type Ticket } from './election.js'
export {
  ForeignTicketError,
  LockError,
  LockLostError,
  LockReleaseError,
  LockTimeoutError,
  LockUnavailableError,
  type LockHolder,
} from './errors.js'
export { acquireLock, describeHolder, type AcquireLockOptions, type HeldLock, type LeftTicket } from './lock.js'
