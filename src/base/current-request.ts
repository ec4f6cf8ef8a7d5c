/**
 * The kernel request that a thread is processing. After a daemon dies, the kernel resends the
 * unanswered requests to its successor, whether they were executed or not; with this identity, code
 * that must not execute a request twice detects the repetition. One instance per thread.
 */
export class CurrentRequest {
  /** Unique for the life of the mount; 0: the mount does not outlive the process. */
  unique = 0
  /** An earlier process may have executed the request already. */
  isResent = false
}

/** The same in all processes that serve a mount; unique among all mounts of all nodes. */
export interface RequestIdentity {
  mount: string
  request: number
}
