/**
 * Ends a FUSE connection when the process that keeps it is killed. The kernel does so itself when
 * the last descriptor is closed; but a thread of a killed process that tells the kernel to forget a
 * page waits, in the kernel, for a read of that page, which nobody will answer any more. It keeps
 * all descriptors, so the connection never ends, and the programs that wait for it cannot even be
 * killed. A shell that has no part in the connection looks every second whether that process is
 * dead, and then aborts it.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { CONNECTIONS, deviceOf } from './mount.ts'

/** A zombie is dead as well: one of its threads does not end. */
const SCRIPT = `while read -r stat < "/proc/$0/stat"; do
    case "$stat" in *') Z '*|*') X '*) break ;; esac
    sleep 1
  done
  [ -e "$1" ] || mount -t fusectl fusectl ${CONNECTIONS}
  echo 1 > "$1"`

export class ConnectionGuard implements Disposable {
  readonly #child: ChildProcess

  /** Of what is mounted there, kept by this process. */
  constructor(mountPoint: string) {
    const minor = deviceOf(mountPoint)?.split(':')[1] ?? ''
    const place = `${CONNECTIONS}/${minor}/abort`
    this.#child = spawn('sh', ['-c', SCRIPT, String(process.pid), place], {
      // What ends this process group leaves it.
      detached: true,
      stdio: 'ignore',
    })
    this.#child.on('error', () => undefined)
    this.#child.unref()
  }

  /** The connection ends in the usual way, or has ended. */
  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL')
  }
}
