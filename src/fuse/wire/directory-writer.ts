/**
 * `DirectorySink` of READDIR and READDIRPLUS: packs entries into the reply up to the size that the
 * kernel requested. Records are padded to 8 bytes. With READDIRPLUS each entry has a full
 * `fuse_entry_out`, which the kernel treats as a lookup; '.' and '..' have node id 0 there.
 */
import type { Attributes, DirectorySink } from '../../filesystem/inode-file-system.ts'
import { ENTRY_BYTES, REPLY_HEADER_BYTES, type ReplyWriter, type Validity } from './reply-writer.ts'

/** Size of `fuse_dirent` without the name. */
const RECORD_BYTES = 24

export class DirectoryWriter implements DirectorySink {
  plus = false
  readonly #reply: ReplyWriter
  readonly #entryValidity: Validity
  readonly #attributesValidity: Validity
  #limit = 0
  #length = 0

  constructor(reply: ReplyWriter, entryValidity: Validity, attributesValidity: Validity) {
    this.#reply = reply
    this.#entryValidity = entryValidity
    this.#attributesValidity = attributesValidity
  }

  /** Payload bytes written so far. */
  get length(): number {
    return this.#length
  }

  start(plus: boolean, sizeBytes: number): void {
    this.plus = plus
    this.#limit = Math.min(sizeBytes, this.#reply.capacity)
    this.#length = 0
  }

  add(
    name: Uint8Array,
    ino: number,
    typeBits: number,
    next: number,
    attributes?: Attributes,
  ): boolean {
    const reply = this.#reply
    const record = this.plus ? this.#length + ENTRY_BYTES : this.#length
    const end = record + RECORD_BYTES + name.length
    const padded = (end + 7) & ~7
    if (padded > this.#limit) return false
    if (this.plus) this.#addEntry(attributes)
    reply.u64(record, ino)
    reply.u64(record + 8, next)
    reply.u32(record + 16, name.length)
    reply.u32(record + 20, (typeBits & 0o170000) >>> 12)
    const start = REPLY_HEADER_BYTES + record + RECORD_BYTES
    reply.bytes.set(name, start)
    for (let at = start + name.length; at < REPLY_HEADER_BYTES + padded; at++) reply.bytes[at] = 0
    this.#length = padded
    return true
  }

  #addEntry(attributes: Attributes | undefined): void {
    if (attributes === undefined) this.#reply.zero(this.#length, ENTRY_BYTES)
    else this.#reply.entry(this.#length, attributes, this.#entryValidity, this.#attributesValidity)
  }
}
