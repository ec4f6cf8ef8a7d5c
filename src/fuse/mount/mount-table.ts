/**
 * The mount table from /proc/self/mountinfo (proc(5)). It is read without accessing any mount, so
 * it also works if every access to a mount hangs or fails. Blanks and control characters in paths
 * are octal (`\040`); a later line hides earlier ones with the same mount point.
 */
import { readFileSync } from 'node:fs'

export interface MountEntry {
  mountPoint: string
  /**
   * Directory of the file system that is visible at the mount point: / unless it is a bind mount.
   */
  root: string
  /** `major:minor` of the file system's device number. */
  device: string
  /** For example `fuse.cachefs`. */
  type: string
  source: string
}

export function parseMountTable(text: string): MountEntry[] {
  const entries: MountEntry[] = []
  for (const line of text.split('\n')) {
    // 36 35 98:0 /root /mnt rw,noatime shared:1 - ext3 /dev/root rw
    const [before, after] = splitOnce(line, ' - ')
    const [, , device, root, mountPoint] = before.split(' ')
    const [type, source] = after.split(' ')
    if (device === undefined || mountPoint === undefined || type === undefined) continue
    entries.push({
      device,
      type,
      root: unescape(root ?? '/'),
      mountPoint: unescape(mountPoint),
      source: unescape(source ?? ''),
    })
  }
  return entries
}

/** The visible mount at `mountPoint` (an absolute path without symlinks), if any. */
export function findMount(mountPoint: string): MountEntry | undefined {
  return mountTable().findLast((entry) => entry.mountPoint === mountPoint)
}

/** The mount that contains a path (absolute, without symlinks in its parent). */
export function mountAbove(path: string): MountEntry | undefined {
  let found: MountEntry | undefined
  for (const entry of mountTable()) {
    const { mountPoint } = entry
    const isAbove = mountPoint === '/' || path === mountPoint || path.startsWith(`${mountPoint}/`)
    if (isAbove && mountPoint.length >= (found?.mountPoint.length ?? 0)) found = entry
  }
  return found
}

function mountTable(): MountEntry[] {
  return parseMountTable(readFileSync('/proc/self/mountinfo', 'utf8'))
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + separator.length)]
}

function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  )
}
