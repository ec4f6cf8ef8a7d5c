/**
 * The results of operations as nodes receive them from the coordinator. They are checked before an
 * operation continues with them: a malformed one fails that operation with EIO, naming the field.
 */
import { z } from 'zod'
import type { FileLock } from '../../base/file-lock.ts'
import { FsError } from '../../base/fs-error.ts'
import type { OperationName, OperationResult } from '../../metadata/operations.ts'
import { lock } from './message-schema.ts'
import type { LinkOperation } from './operation-schema.ts'

const whole = z.int().min(0)
const ino = z.int().min(1)
/** An operation without a result: msgpack has no undefined. */
const nothing = z.undefined().or(z.null())

const inodeRow = z.object({
  ino,
  mode: whole,
  nlink: whole,
  uid: whole,
  gid: whole,
  rdev: whole,
  size: whole,
  blocks: whole,
  atimeSec: z.int(),
  atimeNsec: whole,
  mtimeSec: z.int(),
  mtimeNsec: whole,
  ctimeSec: z.int(),
  ctimeNsec: whole,
  parent: whole,
  version: whole,
})
const removed = z.object({ ino, nlink: whole })
const renamed = z.object({ moved: ino, isDirectory: z.boolean(), removed: removed.nullish() })

/** Results by operation. */
const RESULT_SCHEMAS = {
  changeInode: inodeRow,
  claimSetting: z.string(),
  commitContent: z.object({ version: whole }),
  commitContents: nothing,
  create: inodeRow,
  createOrphan: inodeRow,
  discard: nothing,
  dropSetId: nothing,
  emptyTrash: nothing,
  exchange: z.array(ino),
  link: inodeRow,
  markAllDurable: z.array(z.boolean()),
  markDurable: z.boolean(),
  removeXattr: nothing,
  rename: renamed.or(z.literal('changed')),
  reserveNumbers: whole,
  restorePast: nothing,
  rmdir: removed.nullish(),
  setHolders: z.boolean(),
  setXattr: nothing,
  takeAttributes: nothing,
  unlink: removed.nullish(),
} satisfies Record<LinkOperation, z.ZodType>

/** Returns the result itself, because a parsed one would be a copy. EIO if it is malformed. */
export function checkResult<K extends OperationName>(name: K, result: unknown): OperationResult<K> {
  const parsed = schemaOf(name).safeParse(result)
  if (parsed.success) return result as OperationResult<K>
  const [issue] = parsed.error.issues
  const where = issue?.path.join('.') ?? ''
  const what = `the result of ${name} from the coordinator is malformed`
  throw new FsError('EIO', `${what}: ${where} ${issue?.message ?? ''}`.trimEnd())
}

/** The lock that conflicts; undefined: there is none. EIO if it is malformed. */
export function checkLock(result: unknown): FileLock | undefined {
  const parsed = lock.nullish().safeParse(result)
  if (parsed.success) return parsed.data ?? undefined
  throw new FsError('EIO', 'the file lock from the coordinator is malformed')
}

/** Operations that are not in the list are refused by the coordinator: they have no result. */
function schemaOf(name: string): z.ZodType {
  return Object.hasOwn(RESULT_SCHEMAS, name) ? RESULT_SCHEMAS[name as LinkOperation] : nothing
}
