/**
 * The media type of a file, from its name alone: the content belongs to the user. Unknown names are
 * `application/octet-stream`. With `nosniff`, a browser displays harmless types and saves the rest.
 */
import { Mime } from 'mime/lite'
import otherTypes from 'mime/types/other.js'
import standardTypes from 'mime/types/standard.js'

/** Data file types that the library's registry lacks or lists under other names. */
const DATA_TYPES = {
  'application/vnd.apache.parquet': ['parquet'],
  'application/x-ndjson': ['jsonl', 'ndjson'],
  'application/zstd': ['zst'],
  'audio/wav': ['wav'],
  'text/plain': ['log'],
}

const types = new Mime(standardTypes, otherTypes).define(DATA_TYPES, true)

export function contentTypeOf(path: string): string {
  const type = types.getType(path) ?? 'application/octet-stream'
  return type.startsWith('text/') ? `${type}; charset=utf-8` : type
}
