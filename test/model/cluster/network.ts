/**
 * A network and a clock of one process, for models of a cluster: messages wait until a seeded
 * scheduler delivers them, per direction in order, or are lost with their connection. Timers and
 * the monotonic clock are virtual; nothing happens between two steps.
 */
import { EventEmitter } from 'node:events'
import { decode } from '@msgpack/msgpack'
import { mock } from 'node:test'
import type { WebSocket } from 'ws'
import type { Random } from '../../fixtures/random.ts'

const [CONNECTING, OPEN, CLOSED] = [0, 1, 3]

/** One end of a connection, with what coordinator and nodes use of a WebSocket. */
export class ModelSocket extends EventEmitter {
  readonly OPEN = OPEN
  readonly bufferedAmount = 0
  readyState = CONNECTING
  other!: ModelSocket
  /** Events for this end, in order. */
  readonly queue: (() => void)[] = []
  /** Nothing is delivered to this end. */
  isHeld: () => boolean = () => false

  /** Names this end in the trace. */
  name = ''
  trace: (line: string) => void = () => undefined

  send(data: Uint8Array): void {
    if (this.readyState !== OPEN) return
    const copy = Buffer.from(data)
    this.trace(`${this.name} sends ${describe(copy)}`)
    this.other.queue.push(() => {
      this.trace(`${this.other.name} takes ${describe(copy)}`)
      this.other.emit('message', copy)
    })
  }

  close(): void {
    if (this.readyState === CLOSED) return
    this.other.queue.push(() => this.other.end())
    this.queue.push(() => this.end())
  }

  terminate(): void {
    this.close()
  }

  /** What is on its way to this end is lost. */
  cut(): void {
    this.queue.length = 0
    this.queue.push(() => this.end())
  }

  end(): void {
    if (this.readyState === CLOSED) return
    this.readyState = CLOSED
    this.queue.length = 0
    this.emit('close')
  }

  // A pause stops reads from the socket; the order of messages does not depend on it here.
  pause(): void {}
  resume(): void {}
}

function describe(message: Uint8Array): string {
  const hidden = (key: string, value: unknown): unknown => {
    if (value instanceof Uint8Array) return Buffer.from(value).toString()
    return ['effects', 'calls', 'peer', 'peers', 'key', 'proof', 'nonce'].includes(key)
      ? undefined
      : value
  }
  return JSON.stringify(decode(message), hidden).slice(0, 300)
}

/** The last messages, for a run that fails. */
const TRACED = 20_000

export class Network {
  readonly random: Random
  readonly trace: string[] = []
  #sockets: ModelSocket[] = []
  #nowMs = 1_000_000
  readonly #hrtime = process.hrtime
  readonly #chance = Math.random

  constructor(random: Random) {
    this.random = random
    mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
    // The pauses between attempts to connect.
    Math.random = () => random.below(2 ** 32) / 2 ** 32
    const clock = (): [number, number] => {
      return [Math.floor(this.#nowMs / 1000), Math.round((this.#nowMs % 1000) * 1e6)]
    }
    process.hrtime = Object.assign(clock, { bigint: () => this.#hrtime.bigint() })
  }

  [Symbol.dispose](): void {
    mock.timers.reset()
    process.hrtime = this.#hrtime
    Math.random = this.#chance
  }

  get nowMs(): number {
    return this.#nowMs
  }

  /** Returns the end of the client; `accept` gets the other one when the connection is made. */
  connect(name: string, accept: ((socket: WebSocket) => void) | undefined): ModelSocket {
    const [here, there] = [new ModelSocket(), new ModelSocket()]
    here.name = name
    there.name = `coordinator to ${name}`
    here.trace = there.trace = (line) => this.note(line)
    here.other = there
    there.other = here
    this.#sockets.push(here, there)
    here.queue.push(() => {
      if (accept === undefined) {
        here.emit('error', new Error('nobody answers'))
        here.end()
        return
      }
      here.readyState = OPEN
      there.readyState = OPEN
      here.emit('open')
      accept(there as unknown as WebSocket)
    })
    return here
  }

  /** Delivers one message, or lets time pass; false if nothing could be delivered. */
  async step(mostMs: number): Promise<boolean> {
    this.#sockets = this.#sockets.filter(
      ({ readyState, queue, other }) =>
        readyState !== CLOSED || other.readyState !== CLOSED || queue.length > 0,
    )
    const ready = this.#sockets.filter((it) => it.queue.length > 0 && !it.isHeld())
    const isDelivery = ready.length > 0 && this.random.below(6) > 0
    if (isDelivery) this.random.pick(ready).queue.shift()!()
    else this.pass(1 + this.random.below(mostMs))
    await settle()
    return isDelivery
  }

  note(line: string): void {
    this.trace.push(`${this.#nowMs} ${line}`)
    if (this.trace.length > TRACED) this.trace.shift()
  }

  pass(ms: number): void {
    this.#nowMs += ms
    mock.timers.tick(ms)
  }
}

/** Lets everything run that waits for nothing but promises. */
export async function settle(): Promise<void> {
  await new Promise(setImmediate)
}
