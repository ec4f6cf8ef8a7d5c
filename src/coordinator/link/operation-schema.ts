/**
 * The operations that nodes may request from the coordinator, and the shapes of their arguments as
 * plain data. Whether the state permits an operation is decided by the rules (metadata/).
 *
 * Invariant: operations that no node has reason to request are not in this list, in particular no
 * purge: the coordinator alone decides when an inode is removed.
 */
import { z } from 'zod'
import { FsError } from '../../base/fs-error.ts'
import { coordinatorLimits } from '../limits.ts'
import { filesystemLimits } from '../../filesystem/limits.ts'
import { volumeLimits } from '../../volume/limits.ts'
import { S_IFMT } from '../../metadata/inode-rules.ts'
import type { OperationName } from '../../metadata/operations.ts'

/** Regular, directory, link, pipe, socket, character and block device. */
const FILE_TYPES = new Set([0o100000, 0o040000, 0o120000, 0o010000, 0o140000, 0o020000, 0o060000])

const whole = z.int().min(0)
const ino = z.int().min(1)
const id = z.int().min(1)
const expected = z.int().min(-1)
const mode = z.int().min(0).max(0o177777)
const owner = z.int().min(0).max(0xffff_ffff)
const crc = z.int().min(0).max(0xffff_ffff)
const chunkSize = z.int().min(1).max(coordinatorLimits.chunkBytesMost)
const size = whole.max(filesystemLimits.fileBytes)
const index = whole.max(filesystemLimits.fileBytes)
const time = z.strictObject({ sec: z.int(), nsec: whole.max(999_999_999) })
const bytes = z
  .instanceof(Uint8Array)
  .refine(({ length }) => length <= coordinatorLimits.linkNameBytes)
const value = z
  .instanceof(Uint8Array)
  .refine(({ length }) => length <= coordinatorLimits.linkValueBytes)
const holders = z
  .string()
  .regex(/^[\w.,-]*$/)
  .max(coordinatorLimits.linkNameBytes)
const setting = z.literal('identity')
const counter = z.enum(['inode', 'entry', 'chunk'])

const created = z.object({
  // 1 is the root.
  ino: ino.min(2),
  seq: whole,
  mode: mode.refine((it) => FILE_TYPES.has(it & S_IFMT), 'is of no type of file'),
  uid: owner,
  gid: owner,
  rdev: owner,
  target: value.nullable(),
})
const change = z.strictObject({
  mode: mode.optional(),
  uid: owner.optional(),
  gid: owner.optional(),
  atime: time.optional(),
  mtime: time.optional(),
  inGroup: z.boolean().optional(),
})
const part = z.object({
  index,
  id,
  length: whole.max(coordinatorLimits.chunkBytesMost),
  holders: holders.optional(),
  crc: crc.optional(),
})
const commit = z.object({
  size,
  // Infinite if nothing was truncated.
  floor: z.custom<number>((it) => typeof it === 'number' && it >= 0),
  blocks: whole,
  mtime: time,
  ctime: time,
  chunks: z.array(part),
  base: whole.optional(),
})
const mark = z.object({ ino, index, id, crc })
const place = z.object({ parent: ino, name: bytes })
const renaming = z.object({ noReplace: z.boolean(), expectedTarget: expected, seq: whole })

/** Arguments by operation. */
export const OPERATION_SCHEMAS = {
  changeInode: z.tuple([ino, change, time]),
  claimSetting: z.tuple([setting, z.string().max(coordinatorLimits.linkNameBytes)]),
  commitContent: z.tuple([ino, commit, chunkSize]),
  commitContents: z.tuple([z.array(z.object({ ino, commit })), chunkSize]),
  create: z.tuple([ino, bytes, created, time]),
  createOrphan: z.tuple([ino, created, time]),
  discard: z.tuple([ino, index, id]),
  dropSetId: z.tuple([ino, z.boolean(), time]),
  emptyTrash: z.tuple([z.array(id)]),
  exchange: z.tuple([place, place, time]),
  link: z.tuple([ino, ino, bytes, whole, time]),
  markAllDurable: z.tuple([z.array(mark)]),
  markDurable: z.tuple([ino, index, id, crc]),
  removeXattr: z.tuple([ino, bytes, time]),
  rename: z.tuple([place, place, renaming, time]),
  reserveNumbers: z.tuple([counter, z.int().min(1).max(volumeLimits.numberBlock)]),
  restorePast: z.tuple([ino, chunkSize, time]),
  rmdir: z.tuple([ino, bytes, expected, time]),
  setHolders: z.tuple([ino, index, id, holders, crc.nullish()]),
  setXattr: z.tuple([ino, bytes, value, whole.max(3), time]),
  // An undefined argument arrives as null.
  takeAttributes: z.tuple([ino, ino, mode.nullish(), time]),
  unlink: z.tuple([ino, bytes, expected, time]),
} satisfies Partial<Record<OperationName, z.ZodType>>

export type LinkOperation = keyof typeof OPERATION_SCHEMAS

/** EINVAL if nodes may not request the operation, or not with these arguments. */
export function checkOperation(name: string, args: readonly unknown[]): LinkOperation {
  if (!Object.hasOwn(OPERATION_SCHEMAS, name)) {
    throw new FsError('EINVAL', `nodes cannot ask for an operation ${name.slice(0, 40)}`)
  }
  const parsed = OPERATION_SCHEMAS[name as LinkOperation].safeParse(args)
  if (parsed.success) return name as LinkOperation
  const [issue] = parsed.error.issues
  const where = issue?.path.join('.') ?? ''
  throw new FsError('EINVAL', `${name}: argument ${where}: ${issue?.message ?? 'is malformed'}`)
}

/** Operations that a node runs on its own replica, and that it does not request otherwise. */
const OWN_SCHEMAS = { purgeOrphans: z.tuple([z.array(ino)]) } satisfies Partial<
  Record<OperationName, z.ZodType>
>

/** Like `checkOperation`, for an operation that the node ran in domains that it had exclusively. */
export function checkOutbox({
  name,
  args,
}: {
  name: string
  args: readonly unknown[]
}): OperationName {
  if (name === 'purgeOrphans' && OWN_SCHEMAS.purgeOrphans.safeParse(args).success) return name
  return checkOperation(name, args)
}
