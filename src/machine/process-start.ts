/** Tells a process from a later one that was given the same number. */
import { readFile } from 'node:fs/promises'

/** When a process started, in clock ticks after boot; undefined where there is no such process. */
export async function startOf(pid: number): Promise<string | undefined> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8')
    // The second field is a name in parentheses that may hold anything; start time is the 22nd.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? undefined : fields[19]
  } catch {
    return undefined
  }
}
