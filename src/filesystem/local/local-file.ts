/**
 * An open file of the operating system. Reads and writes are repeated until they are complete; the
 * descriptor's own position is not used.
 */
import type { BigIntStats } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import type { AttributeChanges } from '../file-system.ts'
import type { OpenFile } from '../open-file.ts'
import { Stats, kindOf } from '../stats.ts'

export class LocalFile implements OpenFile {
  readonly #handle: FileHandle
  readonly #appends: boolean

  constructor(handle: FileHandle, appends: boolean) {
    this.#handle = handle
    this.#appends = appends
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    let count = 0
    while (count < target.length) {
      const part = target.subarray(count)
      const { bytesRead } = await this.#handle.read(part, 0, part.length, position + count)
      if (bytesRead === 0) break
      count += bytesRead
    }
    return count
  }

  async write(source: Uint8Array, position: number | 'end'): Promise<void> {
    const start = position === 'end' && !this.#appends ? (await this.#handle.stat()).size : position
    for (let count = 0; count < source.length;) {
      const at = start === 'end' ? null : start + count
      const { bytesWritten } = await this.#handle.write(source, count, source.length - count, at)
      count += bytesWritten
    }
  }

  async stat(): Promise<Stats> {
    return toStats(await this.#handle.stat({ bigint: true }))
  }

  async truncate(sizeBytes: number): Promise<void> {
    await this.#handle.truncate(sizeBytes)
  }

  async change(changes: AttributeChanges): Promise<void> {
    const { mode, uid, gid, atimeMs, mtimeMs } = changes
    if (mode !== undefined) await this.#handle.chmod(mode)
    if (uid !== undefined || gid !== undefined) await this.#handle.chown(uid ?? -1, gid ?? -1)
    if (atimeMs === undefined && mtimeMs === undefined) return
    const now = await this.#handle.stat()
    await this.#handle.utimes((atimeMs ?? now.atimeMs) / 1000, (mtimeMs ?? now.mtimeMs) / 1000)
  }

  async sync(): Promise<void> {
    await this.#handle.sync()
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }
}

/** The change time is part of the etag, because no program can set it back. */
export function toStats(stats: BigIntStats): Stats {
  return new Stats({
    kind: kindOf(Number(stats.mode)),
    size: Number(stats.size),
    mode: Number(stats.mode),
    ino: Number(stats.ino),
    nlink: Number(stats.nlink),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    atimeMs: Number(stats.atimeMs),
    mtimeMs: Number(stats.mtimeMs),
    ctimeMs: Number(stats.ctimeMs),
    birthtimeMs: Number(stats.birthtimeMs),
    etag: [stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs]
      .map((it) => it.toString(36))
      .join('-'),
  })
}
