/** What a supervisor and the daemon it started say to each other, over the daemon's channel. */
import type { FuseMount } from '../fuse/mount.ts'
import type { NodeOptions } from './node-options.ts'

/** A mount that a daemon served and its successor goes on with. */
export type ServedMount = Omit<FuseMount, 'fd'>

/** The first and only word to a daemon. Its descriptor `CONNECTION_FD` is an open /dev/fuse. */
export interface StartMessage {
  options: NodeOptions
  /** Undefined: it is to mount. */
  resumed: ServedMount | undefined
  /** Names the mount, over all the daemons that serve it. */
  mountId: string
  /** Daemons that died before it. */
  restarts: number
}

export type DaemonMessage =
  | { kind: 'ready'; mount: ServedMount; apiUrl: string }
  /** It ends, and should not be started again. */
  | { kind: 'failed'; message: string }
  /** It ends, to be replaced. */
  | { kind: 'replace' }

export const CONNECTION_FD = 3
