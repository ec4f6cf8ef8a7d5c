/**
 * Reads the messages of one node's connection strictly in order. While a message waits for its turn
 * (`slices`), or is being handled asynchronously (a hello may register a node), the socket is
 * paused.
 */
import type { RawData, WebSocket } from 'ws'
import type { TimeSlices } from '../../base/async/time-slices.ts'
import type { NodeMessage } from './link-protocol.ts'
import { fromNode } from './message-schema.ts'

export interface MessageHandler {
  take: (message: NodeMessage) => Promise<void> | undefined
  /** Called with an error of `take`, or of decoding a message. */
  fail: (error: unknown) => void
  /** Called when the connection is closed and all its messages have been handled. */
  end: () => void
}

/** `slices`: shared by all connections. */
export function readMessages(
  socket: WebSocket,
  slices: TimeSlices,
  { take, fail, end }: MessageHandler,
): void {
  let waiting: Promise<void> | undefined
  const takeNow = (data: RawData): Promise<void> | undefined => {
    try {
      return take(fromNode(data as Buffer))?.catch(fail)
    } catch (error) {
      fail(error)
      return undefined
    }
  }
  const takeOne = (data: RawData): Promise<void> | undefined => slices.run(() => takeNow(data))
  socket.on('message', (data: RawData) => {
    const mine = waiting ? waiting.then(() => takeOne(data)) : takeOne(data)
    if (mine === undefined) return
    waiting = mine
    socket.pause()
    void mine.then(() => {
      if (waiting !== mine) return
      waiting = undefined
      socket.resume()
    })
  })
  socket.on('close', () => {
    if (waiting) void waiting.then(end)
    else end()
  })
}
