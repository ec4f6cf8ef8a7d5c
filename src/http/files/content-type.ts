/**
 * The media type of a file, told by its name alone: the content is the user's. Names that say
 * nothing are bytes. Together with nosniff, a browser shows what is harmless and saves the rest.
 */
import { extname } from 'node:path/posix'

const TEXT = '; charset=utf-8'

const TYPES: Record<string, string> = {
  '.avif': 'image/avif',
  '.css': `text/css${TEXT}`,
  '.csv': `text/csv${TEXT}`,
  '.gif': 'image/gif',
  '.gz': 'application/gzip',
  '.htm': `text/html${TEXT}`,
  '.html': `text/html${TEXT}`,
  '.jpeg': 'image/jpeg',
  '.jpg': 'image/jpeg',
  '.js': `text/javascript${TEXT}`,
  '.json': 'application/json',
  '.jsonl': 'application/x-ndjson',
  '.log': `text/plain${TEXT}`,
  '.md': `text/markdown${TEXT}`,
  '.mjs': `text/javascript${TEXT}`,
  '.mp3': 'audio/mpeg',
  '.mp4': 'video/mp4',
  '.ndjson': 'application/x-ndjson',
  '.parquet': 'application/vnd.apache.parquet',
  '.pdf': 'application/pdf',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.tar': 'application/x-tar',
  '.txt': `text/plain${TEXT}`,
  '.wasm': 'application/wasm',
  '.wav': 'audio/wav',
  '.webm': 'video/webm',
  '.webp': 'image/webp',
  '.xml': 'application/xml',
  '.yaml': 'application/yaml',
  '.yml': 'application/yaml',
  '.zip': 'application/zip',
  '.zst': 'application/zstd',
}

export function contentTypeOf(path: string): string {
  const extension = extname(path).toLowerCase()
  return Object.hasOwn(TYPES, extension) ? TYPES[extension]! : 'application/octet-stream'
}
