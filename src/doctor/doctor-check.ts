/** Result of one check of `cachefs doctor`: whether a requirement is met, and the remedy if not. */
export interface Finding {
  name: string
  ok: boolean
  /** Observed value. */
  detail: string
  /** Remedy; empty if none is needed. */
  remedy: string
}

export function found(name: string, detail: string): Finding {
  return { name, ok: true, detail, remedy: '' }
}

export function lacking(name: string, detail: string, remedy: string): Finding {
  return { name, ok: false, detail, remedy }
}
