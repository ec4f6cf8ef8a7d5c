/** The users that steps run as; their numbers need no account. */

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
  /** The group of alice is her primary one. */
  carol: { uid: 61_003, gid: ALICE, groups: [ALICE] },
  /** The group of alice is a supplementary one. */
  dave: { uid: 61_004, gid: 61_004, groups: [ALICE, 61_004] },
  /** As alice, and in the group of bob. */
  aliceBob: { uid: ALICE, gid: ALICE, groups: [ALICE, BOB] },
}

/** The number of a name; `-1` is none, as in chown(2). */
export function idOf(name: string): number {
  return USERS[name]?.uid ?? Number(name)
}

/** The name of a number. */
export function nameOf(id: number): string {
  return Object.entries(USERS).find(([, user]) => user.uid === id)?.[0] ?? String(id)
}
