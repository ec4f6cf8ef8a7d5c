/**
 * TCP proxy that limits the download bandwidth of each connection: simulates a distant store for
 * one reader of one object.
 */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { Transform } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

export interface SlowLink extends AsyncDisposable {
  /** The given URL with the port of the proxy. */
  readonly endpoint: string
}

export async function startSlowLink(target: string, bytesPerSecond: number): Promise<SlowLink> {
  const { hostname, port } = new URL(target)
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect(Number(port), hostname)
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one)
      one.on('error', () => other.destroy())
      one.on('close', () => {
        sockets.delete(one)
        other.destroy()
      })
    }
    near.pipe(far)
    far.pipe(slowed(bytesPerSecond)).pipe(near)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const endpoint = new URL(target)
  endpoint.port = String((server.address() as AddressInfo).port)
  return {
    endpoint: endpoint.href.replace(/\/$/, ''),
    [Symbol.asyncDispose]: async () => {
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
  }
}

function slowed(bytesPerSecond: number): Transform {
  let dueMs = performance.now()
  return new Transform({
    transform(part: Buffer, _encoding, done) {
      dueMs = Math.max(dueMs, performance.now()) + (part.length / bytesPerSecond) * 1000
      void sleep(dueMs - performance.now()).then(() => done(null, part))
    },
  })
}
