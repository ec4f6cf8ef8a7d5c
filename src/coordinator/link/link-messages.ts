/**
 * What comes over one connection of a node, message by message and strictly in order: while one is
 * waited for (a hello may have a node registered), no more is read.
 */
import type { RawData, WebSocket } from 'ws'
import type { NodeMessage } from './link-protocol.ts'
import { fromNode } from './message-schema.ts'

export interface MessageHandler {
  take: (message: NodeMessage) => Promise<void> | undefined
  /** What `take` threw, or why a message is none. */
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
