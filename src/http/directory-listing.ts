/**
 * The entries of a directory as an answer: a JSON array, or a line of JSON each (NDJSON) for who
 * accepts that. Written entry by entry, however many there are. What goes wrong before the first
 * one is a status; what goes wrong later cuts the answer off, so that it does not look complete.
 */
import { Readable } from 'node:stream'
import type { DirectoryEntry } from '../filesystem/file-store.ts'

/** Read so far before anything is written: a directory that cannot be read says so here. */
export async function listing(
  entries: AsyncIterable<DirectoryEntry>,
  accept: string | undefined,
): Promise<{ stream: Readable; contentType: string }> {
  const iterator = entries[Symbol.asyncIterator]()
  const first = await iterator.next()
  async function* all(): AsyncGenerator<DirectoryEntry> {
    try {
      for (let it = first; it.done !== true; it = await iterator.next()) yield it.value
    } finally {
      await iterator.return?.()
    }
  }
  const isLines = accept?.includes('application/x-ndjson') ?? false
  const text = isLines ? asLines(all()) : asArray(all())
  return {
    stream: Readable.from(text, { objectMode: false }),
    contentType: isLines ? 'application/x-ndjson' : 'application/json; charset=utf-8',
  }
}

async function* asLines(entries: AsyncIterable<DirectoryEntry>): AsyncGenerator<string> {
  for await (const entry of entries) yield `${toJson(entry)}\n`
}

async function* asArray(entries: AsyncIterable<DirectoryEntry>): AsyncGenerator<string> {
  let before = '[\n'
  for await (const entry of entries) {
    yield before + toJson(entry)
    before = ',\n'
  }
  yield before === '[\n' ? '[]\n' : '\n]\n'
}

function toJson(entry: DirectoryEntry): string {
  return JSON.stringify({ name: entry.name, type: typeOf(entry) })
}

function typeOf(entry: DirectoryEntry): string {
  if (entry.isSymbolicLink()) return 'symlink'
  if (entry.isDirectory()) return 'directory'
  return entry.isFile() ? 'file' : 'other'
}
