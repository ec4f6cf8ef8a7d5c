/**
 * What a coordinator lacks at present, and what that means for its nodes. It listens when its
 * databases are open and stops listening before they are closed, so there is little to tell.
 */
import { describe } from '../base/fs-error.ts'
import type { PeerKeeper } from '../coordinator/peer-keeper.ts'
import type { MetadataStore } from '../coordinator/metadata-store.ts'
import { copyState } from '../metadata/change.ts'
import type { Problem } from '../http/problem.ts'

export function coordinatorProblems(
  keeper: Pick<PeerKeeper, 'failure'>,
  store: Pick<MetadataStore, 'read'>,
): Problem[] {
  return [unsavedNodes(keeper), unreadableNames(store)].filter((problem) => problem !== undefined)
}

function unsavedNodes({ failure }: Pick<PeerKeeper, 'failure'>): Problem | undefined {
  if (failure === undefined) return undefined
  return {
    what: 'nodes could not be saved',
    ...failure,
    works: 'reading names; who is there, until the coordinator is restarted',
    fails: 'changes of names, where the same disk keeps them',
    blocking: false,
  }
}

/** Reads one row. Not remembered: whoever asks has it tried again. */
function unreadableNames(store: Pick<MetadataStore, 'read'>): Problem | undefined {
  try {
    store.read(copyState())
    return undefined
  } catch (error) {
    return {
      what: 'the names could not be read',
      since: new Date(),
      reason: describe(error),
      works: 'files that are open on nodes',
      fails: 'everything that needs a name',
      blocking: true,
    }
  }
}
