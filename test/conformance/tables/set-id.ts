/**
 * Set-user-id and set-group-id bits: every operation that may clear them, by every kind of user, on
 * files with every combination of bits. ext4 defines the expected result.
 */
import { table } from '../case.ts'

const MODES = ['06777', '02777', '06766', '02766', '04666'] as const
const USERS = ['root', 'alice', 'bob', 'dave'] as const

/** Changes to the file `f`, owned by alice and her group; `@` stands for the user. */
const CHANGES: Readonly<Record<string, readonly string[]>> = {
  'a write': ['@ open a f O_WRONLY', '@ write a x', '@ close a'],
  'a write of no bytes': ['@ open a f O_WRONLY', '@ write a ""', '@ close a'],
  'an append': ['@ open a f O_WRONLY|O_APPEND', '@ write a x', '@ close a'],
  'a write beside reading': ['@ open a f O_RDWR', '@ write a x', '@ close a'],
  'a synchronous write': ['@ open a f O_WRONLY|O_DSYNC', '@ write a x', '@ close a'],
  'a write of one more': ['@ open a f O_RDWR', '@ pwritev2 a 5 x RWF_DSYNC', '@ close a'],
}

const OTHER_CHANGES: typeof CHANGES = {
  'a truncate': ['@ truncate f 3'],
  'a truncate to its size': ['@ open a f O_RDWR', '@ ftruncate a 5', '@ close a'],
  'a longer size': ['@ open a f O_WRONLY', '@ ftruncate a 9', '@ close a'],
  O_TRUNC: ['@ open a f O_WRONLY|O_TRUNC', '@ close a'],
  'O_TRUNC and a write': ['@ open a f O_WRONLY|O_TRUNC', '@ write a x', '@ close a'],
  'O_TRUNC to read': ['@ open a f O_RDONLY|O_TRUNC', '@ close a'],
  'opening to write': ['@ open a f O_WRONLY', '@ close a'],
  'fallocate, longer': ['@ open a f O_WRONLY', '@ fallocate a 0 0 9', '@ close a'],
  'fallocate, within': ['@ open a f O_WRONLY', '@ fallocate a 0 0 2', '@ close a'],
  'fallocate, KEEP_SIZE': ['@ open a f O_RDWR', '@ fallocate a KEEP_SIZE 0 9', '@ close a'],
  'fallocate, PUNCH_HOLE': [
    '@ open a f O_RDWR',
    '@ fallocate a KEEP_SIZE|PUNCH_HOLE 0 2',
    '@ close a',
  ],
  'fallocate, ZERO_RANGE': ['@ open a f O_WRONLY', '@ fallocate a ZERO_RANGE 0 9', '@ close a'],
  'fallocate that fails': ['@ open a f O_WRONLY', '@ fallocate a 0 0 0', '@ close a'],
  'a copy into it': [
    'put g copied',
    '@ open b g O_RDONLY',
    '@ open a f O_WRONLY',
    '@ copy b a 3',
    '@ close a',
    '@ close b',
  ],
  'a store into memory': [
    'truncate f 9',
    '@ open a f O_RDWR',
    '@ mmap m a write shared 4096',
    '@ store m 0 x',
    '@ msync m',
    '@ munmap m',
    '@ close a',
  ],
  'chown to itself': ['@ chown f alice alice'],
  'chown of the owner': ['@ chown f bob -1'],
  'chown of the group': ['@ chown f -1 bob'],
  utimes: ['@ utimes f now now'],
  'a new name': ['@ rename f h', 'rename h f'],
  'extended attributes': ['@ setxattr f user.a 1'],
}

/** Preparation of the file; its bits are set last. */
const BEFORE: Readonly<Record<string, readonly string[]>> = {
  // Never opened: a previous last close may still be in progress.
  'of an empty file': ['mknod f S_IFREG 0666'],
  'of a file with content': ['put f hello'],
}

function byUser(lines: readonly string[], user: string): string[] {
  return lines.map((line) => line.replace(/^@/, `${user}:`))
}

function changesOf(changes: typeof CHANGES, state: keyof typeof BEFORE): string {
  return Object.entries(changes)
    .flatMap(([change, lines]) =>
      USERS.map((user) => {
        const steps = MODES.flatMap((mode) => [
          ...BEFORE[state]!,
          'chown f alice alice',
          `chmod f ${mode}`,
          ...byUser(lines, user).map((line) => `${line} -> ?`),
          'stat f mode -> ?',
          'unlink f',
        ])
        return [`# ${change} ${state} by ${user}`, ...steps].join('\n  ')
      }),
    )
    .join('\n\n  ')
}

/** Writers that opened the file before its bits were set. */
function openBefore(): string {
  const flags = ['O_WRONLY', 'O_RDWR', 'O_WRONLY|O_APPEND'] as const
  return ['alice', 'bob', 'dave']
    .flatMap((user) =>
      flags.map((flag) => {
        const steps = MODES.flatMap((mode) => [
          'create f 0666',
          'chown f alice alice',
          'chmod f 0666',
          `${user}: open a f ${flag}`,
          `${user}: write a one`,
          `chmod f ${mode}`,
          'note f',
          'stat f mode -> ?',
          `${user}: write a two`,
          'stat f mode -> ?',
          `chmod f ${mode}`,
          'close a',
          'stat f mode -> ?',
          'unlink f',
        ])
        return [`# a write by ${user} who had it open before, ${flag}`, ...steps].join('\n  ')
      }),
    )
    .join('\n\n  ')
}

export const setId = table(
  'set-id',
  `
  ${changesOf(CHANGES, 'of an empty file')}

  ${changesOf({ ...CHANGES, ...OTHER_CHANGES }, 'of a file with content')}

  ${openBefore()}

  ${changesOf({ 'chown of nothing': ['@ chown f -1 -1'] }, 'of an empty file')}

  # bits of a new file stay while root fills it
  open a f O_WRONLY|O_CREAT 04755
  write a hello
  stat f mode -> 4755
  close a
  stat f mode -> 4755

  # bits of a new file go when its maker fills it
  alice: open a f O_WRONLY|O_CREAT 06755
  stat f mode -> 6755
  alice: write a hello
  stat f mode -> 0755
  alice: close a
  stat f mode -> 0755

  # bits that are set last stay
  alice: open a f O_WRONLY|O_CREAT 0755
  alice: write a hello
  alice: fchmod a 06755
  alice: close a
  stat f mode -> 6755

  # a program that is changed is no longer run as its owner
  put f hello
  chown f alice alice
  chmod f 06777
  stat f mode -> 6777
  bob: append f x
  stat f mode -> 0777
  bob: access f X_OK

  # chgrp by an owner who is not in the group of the file
  create f
  chown f alice bob
  chmod f 06764
  alice: chown f -1 alice
  stat f owner group mode -> ?
  chown f alice bob
  chmod f 02764
  aliceBob: chown f -1 alice
  stat f owner group mode -> ?

  # pipes keep theirs when they are written
  mknod p S_IFIFO
  chmod p 06777
  bob: open a p O_RDWR
  bob: write a x
  stat p mode -> 6777
  chown p alice alice
  stat p mode -> ?

  # file capabilities go with a write by anybody
  put f hello
  setcap f
  listxattr f -> security.capability
  open a f O_WRONLY
  write a x
  listxattr f -> ""
  close a
  setcap f
  open a f O_RDWR
  write a x
  listxattr f -> ""
  setcap f
  ftruncate a 3
  listxattr f -> ""
  close a
  setcap f
  open a f O_WRONLY|O_TRUNC
  listxattr f -> ""
  close a
  setcap f
  chown f alice alice
  listxattr f -> ""

  # directories keep their bits
  mkdir d
  chmod d 06777
  chown d alice alice
  stat d mode -> 6777
  bob: create d/f
  stat d mode -> 6777
`,
)
