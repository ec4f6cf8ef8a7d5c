/**
 * Which request of the kernel a thread works on, for those who must not do one twice: when a
 * process dies, its successor is sent what was not answered again, done or not. One per thread.
 */
export class CurrentRequest {
  /** Names the request for the life of the mount; 0: the work is not for a mount that lives on. */
  unique = 0
  /** An earlier process may have done it. */
  isResent = false
}

/** The same for all processes that serve a mount, and among all mounts of all nodes. */
export interface RequestIdentity {
  mount: string
  request: number
}
