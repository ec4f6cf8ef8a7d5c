/** Extended attributes that mean something to the volume itself. */
import { FsError } from '../base/fs-error.ts'
import { RECEIPT_XATTR } from './receipt.ts'

export function isReceipt(name: Uint8Array): boolean {
  return Buffer.compare(name, RECEIPT_XATTR) === 0
}

/** Access control lists are not kept: a mode bit is what counts here. */
export function refuseAcl(name: Uint8Array): void {
  if (Buffer.from(name).toString('latin1').startsWith('system.posix_acl_')) {
    throw new FsError('EOPNOTSUPP', 'access control lists are not supported')
  }
}

export function refuseReserved(name: Uint8Array): void {
  refuseAcl(name)
  if (isReceipt(name)) throw new FsError('EPERM', 'a receipt cannot be written')
}
