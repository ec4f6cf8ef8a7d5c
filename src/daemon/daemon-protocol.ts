/**
 * Messages between a supervisor and the daemon that it started, over the IPC channel of the daemon.
 */
import type { FuseMount } from '../fuse/mount/mount.ts'
import type { KeyedOptions } from '../options/node-options.ts'

/** A mount that a daemon has served and its successor takes over. */
export type ServedMount = Omit<FuseMount, 'fd'>

/** First message to a daemon. The daemon's descriptor `CONNECTION_FD` is an open /dev/fuse. */
export interface StartMessage {
  options: KeyedOptions
  /** Undefined: the daemon must mount. */
  resumed: ServedMount | undefined
  /** Identifies the mount across all daemons that serve it. */
  mountId: string
  /** Number of daemons that served the mount before this one. */
  restarts: number
}

/** Result of a notification: the error code that Node reports; undefined on success. */
export interface NotifiedMessage {
  notified: number
  code: string | undefined
}

export type SupervisorMessage = StartMessage | NotifiedMessage

export type DaemonMessage =
  | { kind: 'ready'; mount: ServedMount; apiUrl: string }
  /** The daemon ends and must not be restarted. */
  | { kind: 'failed'; message: string }
  /** The daemon ends and must be replaced. */
  | { kind: 'replace' }
  /** Asks the supervisor to write a notification to the kernel, which may block for long. */
  | { kind: 'notify'; id: number; message: Uint8Array }

export const CONNECTION_FD = 3
