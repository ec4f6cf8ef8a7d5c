/**
 * Entries of the change log: the change of one operation and its result, for nodes that were away
 * and for operations that are sent again. An entry that cannot be read fails what asked for it with
 * EIO; the log is in the database of the coordinator, so its remedy is that of a damaged database.
 */
import { decode, encode } from '@msgpack/msgpack'
import { z } from 'zod'
import { FsError, describe } from '../base/fs-error.ts'
import type { Change } from '../metadata/change.ts'
import { changed } from './link/message-schema.ts'

export interface LogEntry {
  change: Change
  value: unknown
}

// The result of an operation that returns nothing is not stored.
const schema = z.object({ change: changed, value: z.unknown().optional() })

export function encodeEntry(entry: LogEntry): Uint8Array {
  return encode(entry, { ignoreUndefined: true })
}

export function decodeEntry(bytes: Uint8Array): LogEntry {
  const entry = decoded(bytes)
  const parsed = schema.safeParse(entry)
  // The entry itself, because a parsed one would be a copy.
  if (parsed.success) return entry as LogEntry
  const [issue] = parsed.error.issues
  throw damaged(`${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`)
}

function decoded(bytes: Uint8Array): unknown {
  try {
    return decode(bytes)
  } catch (cause) {
    throw damaged(describe(cause))
  }
}

function damaged(why: string): FsError {
  const remedy = 'restore the database of the coordinator from a backup'
  return new FsError('EIO', `an entry of the change log is damaged (${why}): ${remedy}`)
}
