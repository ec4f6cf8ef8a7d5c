/**
 * Ends a FUSE connection when the process that keeps it is killed. The kernel does so itself when
 * the last descriptor is closed; but a thread of a killed daemon that tells the kernel to forget a
 * page waits, in the kernel, for a read of that page, which nobody will answer any more. It keeps
 * the descriptor, so the connection never ends, and the programs that wait for it cannot even be
 * killed. A shell that has no part in the connection waits for the end of its input and aborts it.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { CONNECTIONS, deviceOf } from './mount.ts'

/** Told that all is well it does nothing. */
const SCRIPT = `read -r _ || {
  [ -e "$0" ] || mount -t fusectl fusectl ${CONNECTIONS}
  echo 1 > "$0"
}`

export class ConnectionGuard implements Disposable {
  readonly #child: ChildProcess

  /** Of what is mounted there. */
  constructor(mountPoint: string) {
    const minor = deviceOf(mountPoint)?.split(':')[1] ?? ''
    this.#child = spawn('sh', ['-c', SCRIPT, `${CONNECTIONS}/${minor}/abort`], {
      // What ends this process group leaves it.
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    this.#child.on('error', () => undefined)
    this.#child.stdin!.on('error', () => undefined)
    this.#child.unref()
    ;(this.#child.stdin as unknown as { unref(): void }).unref()
  }

  /** The connection ends in the usual way, or has ended. */
  [Symbol.dispose](): void {
    this.#child.stdin!.end('done\n')
  }
}
