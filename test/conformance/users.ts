/** Users that steps run as; their ids need no accounts. */

export interface User {
  uid: number
  gid: number
  /** Supplementary groups. */
  groups: readonly number[]
}

const ALICE = 61_001
const BOB = 61_002

export const USERS: Readonly<Record<string, User>> = {
  root: { uid: 0, gid: 0, groups: [0] },
  alice: { uid: ALICE, gid: ALICE, groups: [ALICE] },
  bob: { uid: BOB, gid: BOB, groups: [BOB] },
  /** Alice's group is her primary group. */
  carol: { uid: 61_003, gid: ALICE, groups: [ALICE] },
  /** Alice's group is a supplementary group. */
  dave: { uid: 61_004, gid: 61_004, groups: [ALICE, 61_004] },
  /** Alice, also in the group of bob. */
  aliceBob: { uid: ALICE, gid: ALICE, groups: [ALICE, BOB] },
}

/** The id of a name; `-1` stands for none, as in chown(2). */
export function idOf(name: string): number {
  return USERS[name]?.uid ?? Number(name)
}

/** The name of an id. */
export function nameOf(id: number): string {
  return Object.entries(USERS).find(([, user]) => user.uid === id)?.[0] ?? String(id)
}
