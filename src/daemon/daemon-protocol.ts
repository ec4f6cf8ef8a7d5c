/** What a supervisor and the daemon it started say to each other, over the daemon's channel. */
import type { FuseMount } from '../fuse/mount/mount.ts'
import type { KeyedOptions } from '../options/node-options.ts'

/** A mount that a daemon served and its successor goes on with. */
export type ServedMount = Omit<FuseMount, 'fd'>

/** The first word to a daemon. Its descriptor `CONNECTION_FD` is an open /dev/fuse. */
export interface StartMessage {
  options: KeyedOptions
  /** Undefined: it is to mount. */
  resumed: ServedMount | undefined
  /** Names the mount, over all the daemons that serve it. */
  mountId: string
  /** Daemons that died before it. */
  restarts: number
}

/** What the kernel made of a notification: Node's name of the error, if there was one. */
export interface NotifiedMessage {
  notified: number
  code: string | undefined
}

export type SupervisorMessage = StartMessage | NotifiedMessage

export type DaemonMessage =
  | { kind: 'ready'; mount: ServedMount; apiUrl: string }
  /** It ends, and should not be started again. */
  | { kind: 'failed'; message: string }
  /** It ends, to be replaced. */
  | { kind: 'replace' }
  /** The kernel is to be told, which may take long. */
  | { kind: 'notify'; id: number; message: Uint8Array }

export const CONNECTION_FD = 3
