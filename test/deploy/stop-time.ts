/** How long a node may take from SIGTERM to its end, ms: what bounds its steps, and a margin. */
import { limits } from '../../src/limits.ts'

/** Databases are closed, processes end. */
const MARGIN_MS = 15_000

export const stopMs =
  limits.apiCloseMs +
  limits.fuseUnmountGraceMs +
  limits.fuseCommandMs +
  limits.fuseThreadEndMs +
  limits.drainMs +
  MARGIN_MS
