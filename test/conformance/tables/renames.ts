/** rename(2) and renameat2(2) of every file type to every other. */
import { table } from '../case.ts'

const MAKE: Readonly<Record<string, (name: string) => string>> = {
  nothing: () => 'stat . type',
  file: (name) => `put ${name} ${name}`,
  'empty directory': (name) => `mkdir ${name}`,
  'full directory': (name) => `mkdir ${name}\n  create ${name}/x`,
  'symbolic link': (name) => `symlink somewhere ${name}`,
  pipe: (name) => `mknod ${name} S_IFIFO`,
}

/** The result; ext4 defines what is expected. */
const LOOK = ['a', 'b', 'd/b'].map((name) => `lstat ${name} type`)

function combinations(): string {
  const flags = ['', 'NOREPLACE', 'EXCHANGE'] as const
  const targets = ['b', 'd/b'] as const
  return Object.entries(MAKE)
    .flatMap(([from, makeFrom]) =>
      Object.entries(MAKE).flatMap(([to, makeTo]) =>
        flags.flatMap((flag) =>
          targets.map((target) =>
            [
              `# ${from} to ${to}${target === 'b' ? '' : ' elsewhere'} ${flag}`.trimEnd(),
              'mkdir d',
              makeFrom('a'),
              makeTo(target),
              `rename a ${target} ${flag} -> ?`.replace('  ', ' '),
              ...LOOK.map((line) => `${line} -> ?`),
            ].join('\n  '),
          ),
        ),
      ),
    )
    .join('\n\n  ')
}

export const renames = table(
  'rename',
  `
  ${combinations()}

  # of a directory moves a link of the one above
  mkdir d
  mkdir d/x
  mkdir e
  rename d/x e/x
  stat d nlink -> 2
  stat e nlink -> 3
  mkdir d/y
  rename d/y e/x
  stat d nlink -> 2
  stat e nlink -> 3
  mkdir d/z
  rename d/z z
  stat . nlink -> 5

  # that exchanges a directory and a file exchanges a link of those above
  mkdir d
  mkdir d/x
  create y
  rename d/x y EXCHANGE
  stat d nlink -> 2
  stat . nlink -> 4

  # replaces a file at once, and keeps it for who has it open
  put a new
  put b old
  open x b O_RDONLY
  rename a b
  content b -> new
  read x 5 -> old
  fstat x nlink -> 0
  stat a type -> ENOENT

  # of two names of one file does nothing
  create a
  link a b
  rename a b
  stat a nlink -> 2
  same a b -> same
  rename a b NOREPLACE -> EEXIST
  rename a b EXCHANGE
  stat b nlink -> 2

  # of a file to itself does nothing
  create a
  rename a a
  stat a nlink -> 1
  rename a a NOREPLACE -> EEXIST
  rename a a EXCHANGE

  # of a directory into itself is refused
  mkdir d
  mkdir d/e
  rename d d/e/f -> EINVAL
  rename d d/f -> EINVAL
  rename d/e d -> ENOTEMPTY
  rename d d/e EXCHANGE -> EINVAL
  rename d/e d EXCHANGE -> EINVAL

  # of a directory moves what is below it
  mkdir d
  mkdir d/e
  put d/e/f hello
  mkdir x
  rename d x/y
  content x/y/e/f -> hello
  same x/y/.. x -> same

  # to a place that is not there
  create a
  rename a d/b -> ENOENT
  create f
  rename a f/b -> ENOTDIR

  # flags that do not go together, or are unknown
  create a
  rename a b NOREPLACE|EXCHANGE -> EINVAL
  rename a b BOGUS -> EINVAL
  rename a b NOREPLACE|WHITEOUT -> ?

  # of an open file does not disturb it
  put a hello
  open x a O_RDWR
  rename a b
  write x J
  content b -> Jello
  note x
  rename b c
  pwrite x 1 E
  content c -> JEllo

  # exchanges files
  put a one
  put b two
  rename a b EXCHANGE
  content a -> two
  content b -> one

  # exchanges a file and a directory between directories
  mkdir d
  mkdir d/x
  create d/x/f
  put y file
  rename d/x y EXCHANGE
  content d/x -> file
  list y -> f

  # without leave to write the directories
  mkdir d
  chmod d 0755
  create d/f
  mkdir e 0777
  chmod e 0777
  alice: create e/g
  alice: rename d/f e/f -> EACCES
  alice: rename e/g d/g -> EACCES
  alice: rename e/g e/h

  # of a directory of another owner to elsewhere needs leave to write it
  mkdir d 0777
  chmod d 0777
  mkdir e 0777
  chmod e 0777
  mkdir d/x 0755
  alice: rename d/x e/x -> EACCES
  alice: rename d/x d/y

  # keeps a name that is listed
  mkdir d
  fill d 10
  rename d/f3 d/g3
  count d -> 10 names
  list d -> f0 f1 f2 f4 f5 f6 f7 f8 f9 g3
`,
)
