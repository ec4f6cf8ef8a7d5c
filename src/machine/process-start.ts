/** Distinguishes a process from a later one with the same pid, by its start time. */
import { readFile } from 'node:fs/promises'

/**
 * Start time of a process in clock ticks after boot; undefined if there is no such process, or it
 * is a zombie.
 */
export async function startOf(pid: number): Promise<string | undefined> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8')
    // The second field is a name in parentheses that may contain any character; the start time is
    // field 22.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? undefined : fields[19]
  } catch {
    return undefined
  }
}
