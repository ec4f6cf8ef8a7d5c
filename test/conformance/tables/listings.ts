/** Directory listings, also during changes. */
import { table } from '../case.ts'

export const listings = table(
  'listing',
  `
  # of an empty directory has the two dots
  mkdir d
  open a d O_RDONLY|O_DIRECTORY
  entries a -> . ..
  entries a -> end

  # starts again after a rewind, with what is there then
  mkdir d
  create d/f
  open a d O_RDONLY|O_DIRECTORY
  entries a -> . .. f
  entries a -> end
  create d/g
  unlink d/f
  rewind a
  entries a -> . .. g

  # of many entries has each once
  mkdir d
  fill d 160
  count d -> 160 names

  # while each entry is renamed after it came
  mkdir d
  fill d 160
  walk d 160 renamed -> 160 names
  count d -> 160 names

  # while each entry is renamed to and fro
  mkdir d
  fill d 150
  walk d 150 renamedBack -> 150 names

  # while each entry is moved away
  mkdir d
  mkdir d.moved
  fill d 150
  walk d 150 moved -> 150 names
  count d.moved -> 150 names

  # while each entry is removed
  mkdir d
  fill d 160
  walk d 160 removed -> 160 names
  rmdir d

  # while each entry is replaced
  mkdir d
  fill d 150
  walk d 150 replaced -> 150 names
  count d -> 150 names

  # while entries are exchanged
  mkdir d
  fill d 150
  walk d 150 exchanged -> 150 names
  count d -> 150 names

  # while others are made and removed
  mkdir d
  fill d 150
  fill d 100 gone
  walkAround d 100 100 -> 150 names

  # goes on where it was told to
  mkdir d
  fill d 150
  seeks d -> right

  # that another process changes
  mkdir d
  fill d 200
  open a d O_RDONLY|O_DIRECTORY
  take a -> some
  two rename d/f199 d/g
  two rename d/f0 d/h
  two unlink d/f77
  rewind a
  count d -> 199 names

  # of a directory that may not be read
  mkdir d 0311
  chown d alice alice
  alice: open a d O_RDONLY|O_DIRECTORY -> EACCES

  # of a file
  create f
  open a f O_RDONLY
  entries a -> ENOTDIR

  # into a buffer that is too small
  mkdir d
  open a d O_RDONLY|O_DIRECTORY
  entries a 1 -> EINVAL
`,
)
