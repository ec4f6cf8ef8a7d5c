/** All cases, in the order in which they run. */
import type { Case } from './case.ts'
import { allocation, contents } from './tables/contents.ts'
import { extended } from './tables/extended.ts'
import { links } from './tables/links.ts'
import { listings } from './tables/listings.ts'
import { locking } from './tables/locking.ts'
import { mappings } from './tables/mappings.ts'
import { names } from './tables/names.ts'
import { opening } from './tables/opening.ts'
import { permissions } from './tables/permissions.ts'
import { synced, syncedDescriptors, syncedWrites } from './tables/power-cut.ts'
import { renames } from './tables/renames.ts'
import { setId } from './tables/set-id.ts'
import { times } from './tables/times.ts'

export const tables: readonly (readonly Case[])[] = [
  names,
  links,
  renames,
  permissions,
  setId,
  times,
  opening,
  contents,
  allocation,
  extended,
  listings,
  locking,
  mappings,
]

/** Each is run in one go until its power cut. */
export const powerTables: readonly (readonly Case[])[] = [syncedDescriptors, syncedWrites, synced]
