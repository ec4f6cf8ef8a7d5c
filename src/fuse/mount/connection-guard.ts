/**
 * Aborts a FUSE connection when the process that serves it has been killed. Usually the kernel ends
 * a connection when its last descriptor is closed. But a thread that invalidates a page waits,
 * inside the kernel, for a read of that page, which a killed process never answers. The thread
 * keeps all descriptors open, so the connection stays and the programs that wait for it cannot be
 * killed. A shell outside the connection checks every second whether the process is dead, and then
 * aborts it.
 *
 * Invariant: it aborts no other connection. The number of one that has ended is soon used again, so
 * the shell opens the file of its connection at the start: once the connection has ended, a write
 * to that descriptor does nothing (fuse_ctl_remove_conn in fs/fuse/control.c).
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { CONNECTIONS, deviceOf } from './mount.ts'

/** A zombie counts as dead: one of its threads cannot end. */
const SCRIPT = `[ -e "$1" ] || mount -t fusectl fusectl ${CONNECTIONS}
  exec 3> "$1"
  while read -r stat < "/proc/$0/stat"; do
    case "$stat" in *') Z '*|*') X '*) break ;; esac
    sleep 1
  done
  echo 1 >&3`

export class ConnectionGuard implements Disposable {
  readonly #child: ChildProcess

  /** Guards the mount at `mountPoint`, which a process serves: by default this one. */
  constructor(mountPoint: string, pid = process.pid) {
    const minor = deviceOf(mountPoint)?.split(':')[1] ?? ''
    const abortFile = `${CONNECTIONS}/${minor}/abort`
    this.#child = spawn('sh', ['-c', SCRIPT, String(pid), abortFile], {
      // A signal to the process group of this process must not end the guard.
      detached: true,
      stdio: 'ignore',
    })
    this.#child.on('error', () => undefined)
    this.#child.unref()
  }

  /** Stops the guard: the connection ends normally, or has ended. */
  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL')
  }
}
