/** One thing that CacheFS needs from a machine: whether it is there, and how to get it. */
export interface Finding {
  name: string
  ok: boolean
  /** What was found. */
  detail: string
  /** What to do about it; empty where nothing is to be done. */
  remedy: string
}

export function found(name: string, detail: string): Finding {
  return { name, ok: true, detail, remedy: '' }
}

export function lacking(name: string, detail: string, remedy: string): Finding {
  return { name, ok: false, detail, remedy }
}
