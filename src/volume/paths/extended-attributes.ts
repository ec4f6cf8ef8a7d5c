/**
 * Extended attributes of the volume's inodes. They are stored in the metadata, except the receipt,
 * which is computed. The durability policy of a directory is checked before it is stored.
 */
import { now } from '../../base/clock.ts'
import { FsError } from '../../base/fs-error.ts'
import type { FileCommitter } from '../../cache/write/file-committer.ts'
import { DURABILITY_XATTR } from '../../metadata/durability.ts'
import {
  S_IFDIR,
  S_IFMT,
  getInode,
  getXattr,
  hasXattr,
  listXattr,
} from '../../metadata/inode-rules.ts'
import type { DurabilityGate } from '../cluster/durability-gate.ts'
import { RECEIPT_XATTR, receiptOf, receiptXattr, type ReceiptParts } from './receipt.ts'

const NO_NAME = new Uint8Array(0)
const NUL = Buffer.alloc(1)
const CAPABILITIES = Buffer.from('security.capability')

export interface ExtendedAttributesParts extends ReceiptParts {
  committer: FileCommitter
}

export class ExtendedAttributes {
  readonly #parts: ExtendedAttributesParts
  readonly #gate: DurabilityGate

  constructor(parts: ExtendedAttributesParts, gate: DurabilityGate) {
    this.#parts = parts
    this.#gate = gate
  }

  set(ino: number, name: Uint8Array, value: Uint8Array, flags: number): void {
    refuseReserved(name)
    const kept = isPolicy(name) ? this.#gate.check(ino, value) : value
    this.#parts.engine.write('setXattr', ino, name, kept, flags, now())
    this.#noteChange(name)
  }

  get(ino: number, name: Uint8Array): Uint8Array {
    if (isReceipt(name)) return this.#receipt(ino)
    refuseUnknown(name)
    this.#parts.engine.requireCurrent()
    return this.#parts.engine.read(getXattr(ino, name))
  }

  /** Whether the file has capabilities as a program (capabilities(7)). */
  hasCapabilities(ino: number): boolean {
    return this.#parts.engine.read(hasXattr(ino, CAPABILITIES))
  }

  /** The names, each ended by a NUL byte. */
  list(ino: number): Uint8Array {
    const names = this.#parts.engine.read(listXattr(ino))
    return names.length === 0 ? NO_NAME : Buffer.concat(names.flatMap((name) => [name, NUL]))
  }

  remove(ino: number, name: Uint8Array): void {
    refuseReserved(name)
    this.#parts.engine.write('removeXattr', ino, name, now())
    this.#noteChange(name)
  }

  #receipt(ino: number): Uint8Array {
    if ((this.#parts.engine.read(getInode(ino)).mode & S_IFMT) === S_IFDIR) {
      throw new FsError('ENODATA', 'the receipt of a directory takes a walk: cachefs receipt')
    }
    this.#parts.committer.commitAsked(ino)
    return receiptXattr(receiptOf(this.#parts, ino))
  }

  #noteChange(name: Uint8Array): void {
    if (isPolicy(name)) this.#parts.shared.countPolicy()
  }
}

function isPolicy(name: Uint8Array): boolean {
  return Buffer.compare(name, DURABILITY_XATTR) === 0
}

function isReceipt(name: Uint8Array): boolean {
  return Buffer.compare(name, RECEIPT_XATTR) === 0
}

/** As on ext4; access control lists (`system.posix_acl_access`) are not supported. */
const NAMESPACES = ['user.', 'trusted.', 'security.'].map((prefix) => Buffer.from(prefix))

function refuseUnknown(name: Uint8Array): void {
  const isKnown = (prefix: Uint8Array): boolean =>
    Buffer.compare(name.subarray(0, prefix.length), prefix) === 0
  if (NAMESPACES.some(isKnown)) return
  const text = Buffer.from(name).toString()
  throw new FsError('EOPNOTSUPP', `extended attribute ${text}: no namespace that is supported`)
}

function refuseReserved(name: Uint8Array): void {
  refuseUnknown(name)
  if (isReceipt(name)) throw new FsError('EPERM', 'a receipt cannot be written')
}
