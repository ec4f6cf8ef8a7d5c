/** Opens all targets that this machine supports, native first; reports why others are missing. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { NotMeasured } from '../not-measured.ts'
import { openCacheFsTarget } from './cachefs-target.ts'
import { openNativeTarget } from './native-target.ts'
import { openPassthroughTarget } from './passthrough-target.ts'
import { openRcloneTarget } from './rclone-target.ts'
import { openS3fsTarget } from './s3fs-target.ts'
import type { Target, TargetSetting } from './target.ts'

const OPENERS = {
  native: openNativeTarget,
  cachefs: openCacheFsTarget,
  libfuse: openPassthroughTarget,
  rclone: openRcloneTarget,
  s3fs: openS3fsTarget,
}
export type TargetName = keyof typeof OPENERS
export const targetNames = Object.keys(OPENERS) as TargetName[]

/** Without these there is nothing to compare, so their failure is the failure of the benchmark. */
const NEEDED: readonly TargetName[] = ['native', 'cachefs']

export interface MissingTarget {
  name: TargetName
  reason: string
}

export async function openTargets(
  names: readonly TargetName[],
  setting: TargetSetting,
  started: AsyncDisposableStack,
): Promise<{ targets: Target[]; missing: MissingTarget[] }> {
  const targets: Target[] = []
  const missing: MissingTarget[] = []
  for (const name of targetNames) {
    if (!names.includes(name)) {
      missing.push({ name, reason: 'was left out by --targets' })
      continue
    }
    const directory = join(setting.directory, name)
    await mkdir(directory)
    try {
      targets.push(started.use(await OPENERS[name]({ ...setting, directory })))
    } catch (error) {
      if (setting.signal.aborted || NEEDED.includes(name)) throw error
      missing.push({ name, reason: reasonOf(error) })
    }
  }
  return { targets, missing }
}

function reasonOf(error: unknown): string {
  if (error instanceof NotMeasured) return error.message
  return `did not start: ${error instanceof Error ? error.message : String(error)}`
}
