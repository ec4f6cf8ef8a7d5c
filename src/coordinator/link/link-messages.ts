/**
 * Reads the messages of one node's connection strictly in order. While a message is being handled
 * asynchronously (a hello may register a node), the socket is paused.
 */
import type { RawData, WebSocket } from 'ws'
import type { NodeMessage } from './link-protocol.ts'
import { fromNode } from './message-schema.ts'

export interface MessageHandler {
  take: (message: NodeMessage) => Promise<void> | undefined
  /** Called with an error of `take`, or of decoding a message. */
  fail: (error: unknown) => void
}

export function readMessages(socket: WebSocket, { take, fail }: MessageHandler): void {
  let waiting: Promise<void> | undefined
  const takeOne = (data: RawData): Promise<void> | undefined => {
    try {
      return take(fromNode(data as Buffer))?.catch(fail)
    } catch (error) {
      fail(error)
      return undefined
    }
  }
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
}
