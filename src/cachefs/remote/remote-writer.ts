/**
 * Applies local changes to the remote, one at a time as the queue schedules them. If the entry that
 * a change needs is gone, a later change has removed it, and there is nothing to do.
 *
 * Invariants: the remote never receives part of a file or a mix of two states: a file that is
 * written while it is read is read again, in the end from a copy that is made while its writers
 * wait. Content is never dropped because the remote rejects it; it stays on the local side and is
 * retried.
 */
import { codeOf } from '../../base/fs-error.ts'
import type { FsErrorCode } from '../../base/fs-error.ts'
import type { FileSystem } from '../../filesystem/file-system.ts'
import { parentOf } from '../../filesystem/file-path.ts'
import { Stats } from '../../filesystem/stats.ts'
import type { BackgroundErrors } from '../background-errors.ts'
import type { CacheCounters } from '../cache-counters.ts'
import type { CacheSettings } from '../cache-options.ts'
import type { Change } from '../journal/change.ts'
import { conflictOf, keptName } from './conflict.ts'
import type { ContentReader } from './content-reader.ts'
import { NEVER } from '../entry.ts'
import type { Entry } from '../entry.ts'
import type { EntryTree } from '../entry-tree.ts'
import type { LocalCopies } from '../local/local-copies.ts'
import { LostCopyError } from '../local/lost-copy.ts'
import type { Verdict } from './write-queue.ts'

export interface RemoteWriterParts {
  remote: FileSystem
  tree: EntryTree
  copies: LocalCopies
  reader: ContentReader
  errors: BackgroundErrors
  counters: CacheCounters
  settings: CacheSettings
  /** Queues the content of the entry, which the remote has lost. */
  resend: (entry: Entry) => Promise<void>
  /** Called when the change has ended and need not be recorded any longer. */
  onEnd: (change: Change) => void
}

/** A retry cannot succeed. Applies to changes of names; content is never given up. */
const FINAL = new Set<FsErrorCode>([
  'ENOENT',
  'EEXIST',
  'ENOTEMPTY',
  'ENOTDIR',
  'EISDIR',
  'EINVAL',
  'EROFS',
  'EPERM',
  'EACCES',
  'ENAMETOOLONG',
  'ELOOP',
  'EXDEV',
  'EMLINK',
  'ENOSYS',
  'EOPNOTSUPP',
  'ESTALE',
])

const SET_ID = 0o6000

export class RemoteWriter {
  readonly #parts: RemoteWriterParts

  constructor(parts: RemoteWriterParts) {
    this.#parts = parts
  }

  async run(change: Change, attempt: number, signal: AbortSignal): Promise<Verdict> {
    const { settings, counters } = this.#parts
    try {
      await this.#make(change, signal)
      counters.changes++
      this.#end(change)
      return 'done'
    } catch (error) {
      if (signal.aborted) return 'retry'
      const isFinal = FINAL.has(codeOf(error)) || isLost(error)
      const isContent = change.kind === 'write'
      if (isFinal && !isContent) {
        this.#report(change, error, false)
        this.#revert(change)
        this.#end(change)
        return 'done'
      }
      const isStalled = isFinal || attempt === settings.attempts
      if (isStalled && attempt <= settings.attempts) this.#report(change, error, true)
      return isFinal ? 'stalled' : 'retry'
    }
  }

  async #make(change: Change, signal: AbortSignal): Promise<void> {
    const { remote } = this.#parts
    const { path, entry } = change
    switch (change.kind) {
      case 'write': {
        await this.#write(change, signal)
        return
      }
      case 'mkdir': {
        const mode = (entry.stats?.mode ?? 0o755) & 0o7777
        await remote.mkdir(path, { mode, signal }).catch(async (error: unknown) => {
          if (codeOf(error) === 'ENOENT') return await this.#parents(path, signal)
          const isThere = codeOf(error) === 'EEXIST' && (await this.#look(path, signal))
          if (!isThere || !isThere.isDirectory()) throw error
        })
        await this.#confirm(entry, path, signal)
        return
      }
      case 'symlink':
        await this.#symlink(path, entry.target, signal)
        {
          await this.#confirm(entry, path, signal)
          return
        }
      case 'unlink':
        if (await this.#isOther(change, signal)) {
          this.#expire(entry)
          return
        }
        await remote.unlink(path, { signal }).catch(ignore('ENOENT', 'ENOTDIR'))
        entry.baseEtag = null
        return
      case 'rmdir':
        await remote.rmdir(path, { signal }).catch(ignore('ENOENT', 'ENOTDIR'))
        entry.baseEtag = null
        return
      case 'attributes':
        await this.#attributes(change, signal)
        {
          await this.#confirm(entry, path, signal)
          return
        }
      case 'rename': {
        await this.#rename(change, signal)
        // An entry that was created at the old name meanwhile is new to the remote.
        change.left.baseEtag = null
        return
      }
    }
  }

  async #write(change: Change, signal: AbortSignal): Promise<void> {
    const { entry, path } = change
    if (entry.isDetached || !entry.isDirty) return
    const { settings } = this.#parts
    const checks = settings.conflict !== 'local wins'
    if (checks && (await conflictOf(this.#parts.remote, path, entry, signal))) {
      await this.#conflict(change, signal)
      return
    }
    const only = checks && entry.baseEtag !== undefined ? { ifMatch: entry.baseEtag } : {}
    try {
      await this.#send(entry, path, only, signal)
    } catch (error) {
      const code = codeOf(error)
      if (code === 'ESTALE' && checks) {
        await this.#conflict(change, signal)
        return
      }
      if (code !== 'ENOENT' || path === '/') throw error
      // The remote lacks the parent directory, which exists locally.
      await this.#parents(parentOf(path), signal)
      await this.#send(entry, path, only, signal)
    }
  }

  async #send(
    entry: Entry,
    path: string,
    only: { ifMatch?: string | null },
    signal: AbortSignal,
  ): Promise<void> {
    const { remote, reader, counters, settings } = this.#parts
    const sent = await reader.read(entry, signal, async (content, size) => {
      const { attributes } = remote.features
      const { mode, mtimeMs, uid = 0, gid = 0 } = entry.stats ?? {}
      // A new file may replace one at the remote after a rename: then its mode applies as well.
      const sendsMode = mode !== undefined && (attributes || entry.baseEtag == null)
      const bits = sendsMode ? { mode: mode & 0o7777 } : {}
      const stats = await remote.replace(path, content, { ...only, ...bits, mtimeMs, size, signal })
      counters.sentBytes += size
      if (!attributes || (uid === stats.uid && gid === stats.gid)) return stats
      await remote.lchown(path, uid, gid, { signal }).catch(ignore('EPERM', 'EOPNOTSUPP'))
      const withSetId = setIdOf(entry)
      if (withSetId !== undefined) await remote.chmod(path, withSetId, { signal })
      return await remote.lstat(path, { signal })
    })
    if (sent === undefined) return
    entry.baseEtag = sent.stats.etag
    if (entry.generation !== sent.generation) return
    entry.isDirty = false
    if (entry.copy !== undefined) entry.copy.etag = sent.stats.etag
    entry.validatedMs = settings.now()
  }

  /** The remote's file is not the version on which the local change is based. */
  async #conflict({ entry, path }: Change, signal: AbortSignal): Promise<void> {
    const { settings, remote, reader, counters, errors } = this.#parts
    counters.conflicts++
    let kept: string | undefined
    if (settings.conflict === 'keep both') {
      kept = keptName(path, settings.now())
      const place = kept
      await reader.read(entry, signal, (content, size) => {
        return remote.replace(place, content, { ifMatch: null, size, signal })
      })
      if (entry.parent !== undefined) entry.parent.listedMs = NEVER
    }
    entry.isDirty = false
    this.#expire(entry)
    const text = kept === undefined ? 'it was dropped' : `it was kept as ${kept}`
    const cause = new Error(`the local change conflicts with one at the remote: ${text}`)
    errors.report({ operation: 'write', path, cause, willRetry: false })
  }

  async #rename(change: Change & { kind: 'rename' }, signal: AbortSignal): Promise<void> {
    const { remote } = this.#parts
    const { entry, path, to, isDirectory } = change
    try {
      await remote.rename(path, to, { signal })
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
      // It was renamed before a crash, or its parent or source is absent at the remote.
      const [source, target] = [await this.#look(path, signal), await this.#look(to, signal)]
      if (source !== null) {
        await this.#parents(parentOf(to), signal)
        await remote.rename(path, to, { signal })
      } else if (entry.isDetached || entry.isDirty) {
        entry.baseEtag = target?.etag ?? null
        return
      } else if (!isDirectory && entry.copy?.isWhole && !entry.copy.lacksFile) {
        await this.#parts.resend(entry)
      } else if (target === null) throw error
    }
    if (!entry.isDetached && !entry.isDirty) await this.#confirm(entry, to, signal)
    else if (!entry.isDetached) {
      const stats = await this.#look(to, signal)
      entry.baseEtag = stats?.etag ?? null
    }
  }

  async #attributes(change: Change & { kind: 'attributes' }, signal: AbortSignal): Promise<void> {
    const { remote } = this.#parts
    if (!remote.features.attributes) return
    const { entry, path, changes } = change
    const { uid, gid, atimeMs, mtimeMs } = changes
    const gone = ignore('ENOENT', 'ENOTDIR')
    const isOwned = uid !== undefined && gid !== undefined
    if (isOwned) await remote.lchown(path, uid, gid, { signal }).catch(gone)
    // After the owner, whose change clears the set-id bits.
    const mode = changes.mode ?? (isOwned ? setIdOf(entry) : undefined)
    if (mode !== undefined) await remote.chmod(path, mode, { signal }).catch(gone)
    if (atimeMs === undefined || mtimeMs === undefined) return
    const [atime, mtime] = [new Date(atimeMs), new Date(mtimeMs)]
    await remote.lutimes(path, atime, mtime, { signal }).catch(gone)
  }

  async #symlink(path: string, target: string, signal: AbortSignal): Promise<void> {
    const { remote } = this.#parts
    await remote.symlink(target, path, null, { signal }).catch(async (error: unknown) => {
      if (codeOf(error) !== 'EEXIST') throw error
      if ((await remote.readlink(path, { signal }).catch(() => undefined)) === target) return
      await remote.unlink(path, { signal })
      await remote.symlink(target, path, null, { signal })
    })
  }

  /** Updates the entry after a change of names or attributes, which may have changed the etag. */
  async #confirm(entry: Entry, path: string, signal: AbortSignal): Promise<void> {
    const stats = await this.#look(path, signal)
    entry.baseEtag = stats?.etag ?? null
    if (stats?.kind !== entry.stats?.kind || stats === null || entry.stats == null) return
    const { copy } = entry
    const isSame = copy === undefined || copy.size === stats.size
    if (copy !== undefined && isSame) copy.etag = stats.etag
    // Further local changes exist: the remote's state is not the latest.
    if (entry.isDetached || entry.isDirty || entry.writers > 0 || entry.pending > 1) return
    if (!isSame) {
      this.#expire(entry)
      return
    }
    // The content is unchanged, and so are its local etag and times.
    const { etag, atimeMs, ctimeMs } = entry.stats
    const mtimeMs = stats.isDirectory() ? entry.stats.mtimeMs : stats.mtimeMs
    entry.stats = new Stats({ ...stats.fields, etag, atimeMs, ctimeMs, mtimeMs })
    entry.validatedMs = this.#parts.settings.now()
  }

  async #look(path: string, signal: AbortSignal): Promise<Stats | null> {
    return await this.#parts.remote.lstat(path, { signal }).catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return null
      throw error
    })
  }

  async #isOther({ path, entry }: Change, signal: AbortSignal): Promise<boolean> {
    const { settings, remote, counters } = this.#parts
    if (settings.conflict === 'local wins') return false
    const isOther = await conflictOf(remote, path, entry, signal)
    if (isOther) counters.conflicts++
    return isOther
  }

  async #parents(path: string, signal: AbortSignal): Promise<void> {
    await this.#parts.remote.mkdir(path, { recursive: true, signal })
  }

  #expire(entry: Entry): void {
    entry.validatedMs = NEVER
    entry.stats = undefined
    this.#parts.copies.release(entry)
  }

  /** The change failed for good: the state of the remote applies again. */
  #revert(change: Change): void {
    const { tree } = this.#parts
    const paths = change.kind === 'rename' ? [change.path, change.to] : [change.path]
    for (const path of paths) {
      const parent = tree.find(parentOf(path))
      if (parent !== undefined) parent.listedMs = NEVER
      const entry = tree.find(path)
      if (entry === undefined || entry.isDirty || entry.writers > 0) continue
      for (const each of [...entry.all()]) {
        if (each.isDirty || each.writers > 0) continue
        each.listedMs = NEVER
        this.#expire(each)
      }
    }
  }

  #end(change: Change): void {
    const { tree, settings, onEnd } = this.#parts
    const { entry } = change
    entry.pending--
    tree.touch(entry)
    if (change.kind === 'rename') {
      change.left.pending--
      change.left.validatedMs = settings.now()
      tree.touch(change.left)
    }
    const nowMs = settings.now()
    if (change.kind === 'mkdir' && entry.listedMs !== NEVER) entry.listedMs = nowMs
    if (entry.stats === null) entry.validatedMs = nowMs
    onEnd(change)
  }

  #report({ kind, path }: Change, cause: unknown, willRetry: boolean): void {
    this.#parts.counters.errors++
    this.#parts.errors.report({ operation: kind, path, cause, willRetry })
  }
}

/** Whether a local copy was lost: a remote may wrap the error of its source. */
function isLost(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof LostCopyError) return true
  }
  return false
}

/** Permission bits, if they include some that a change of owner clears. */
function setIdOf({ stats }: Entry): number | undefined {
  if (stats == null || stats.isSymbolicLink() || (stats.mode & SET_ID) === 0) return undefined
  return stats.mode & 0o7777
}

function ignore(...codes: FsErrorCode[]): (error: unknown) => void {
  return (error) => {
    if (!codes.includes(codeOf(error))) throw error
  }
}
