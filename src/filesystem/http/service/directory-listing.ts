/**
 * The entries of a directory as a response: a JSON array, or one line of JSON per entry (NDJSON)
 * for clients that accept it, with attributes where the file system has them at hand. Written in
 * bounded pieces, however many entries there are.
 */
import { filesystemLimits } from '../../limits.ts'
import type { Dirent } from '../../stats.ts'

export function listing(
  entries: AsyncIterable<Dirent>,
  accept: string | undefined,
): { pieces: AsyncGenerator<string>; contentType: string } {
  const isLines = accept?.includes('application/x-ndjson') ?? false
  return {
    pieces: gathered(isLines ? asLines(entries) : asArray(entries)),
    contentType: isLines ? 'application/x-ndjson' : 'application/json; charset=utf-8',
  }
}

/** Joins small texts, so that each entry does not cost a system call. */
async function* gathered(texts: AsyncIterable<string>): AsyncGenerator<string> {
  let piece = ''
  for await (const text of texts) {
    piece += text
    if (piece.length < filesystemLimits.listingPieceChars) continue
    yield piece
    piece = ''
  }
  if (piece !== '') yield piece
}

async function* asLines(entries: AsyncIterable<Dirent>): AsyncGenerator<string> {
  for await (const entry of entries) yield `${toJson(entry)}\n`
}

async function* asArray(entries: AsyncIterable<Dirent>): AsyncGenerator<string> {
  let before = '[\n'
  for await (const entry of entries) {
    yield before + toJson(entry)
    before = ',\n'
  }
  yield before === '[\n' ? '[]\n' : '\n]\n'
}

function toJson({ name, kind, stats }: Dirent): string {
  return JSON.stringify({ name, type: kind, stats: stats?.fields })
}
