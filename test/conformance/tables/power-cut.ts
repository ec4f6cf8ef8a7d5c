/**
 * Data for which a synchronous write or fsync(2) has returned survives a power cut. Each table has
 * one cut. The last case of a table is the most significant, because its sync may write names of
 * the earlier cases to disk.
 */
import { table } from '../case.ts'

export const syncedDescriptors = table(
  'power cut, O_SYNC',
  `
  # O_DSYNC, of a file that was there
  put f hello
  open b f O_RDWR
  fsync b
  open a f O_WRONLY|O_DSYNC
  pwrite a 0 J
  pwrite a 5 more
  power cut
  content f -> Jellomore

  # O_SYNC and O_APPEND
  open a f O_WRONLY|O_CREAT|O_SYNC|O_APPEND
  write a one
  write a two
  power cut
  content f -> onetwo

  # O_SYNC, of a file that is read and written
  open a f O_RDWR|O_CREAT|O_SYNC
  write a hello
  pwrite a 100K x*1000
  power cut
  stat f size -> 103400
  open a f O_RDONLY
  pread a 0 6 -> hello.
  pread a 102398 4 -> ..xx

  # O_SYNC of a second descriptor
  open a f O_WRONLY|O_CREAT
  write a hello
  open b f O_WRONLY|O_SYNC
  pwrite b 5 world
  power cut
  open a f O_RDONLY
  pread a 5 10 -> world

  # O_DSYNC, of a large file that somebody reads
  open a f O_WRONLY|O_CREAT
  write a x*1M
  close a
  open b f O_RDONLY
  pread b 0 2 -> xx
  open a f O_WRONLY|O_DSYNC
  pwrite a 1000 y*3M
  power cut
  stat f size -> 3146728
  open a f O_RDONLY
  pread a 999 3M -> ?

  # O_SYNC, in a new directory
  mkdir d
  mkdir d/e
  open a d/e/f O_WRONLY|O_CREAT|O_SYNC
  write a hello
  power cut
  content d/e/f -> hello
`,
)

export const syncedWrites = table(
  'power cut, RWF_DSYNC',
  `
  # of a file that was there
  put f hello
  open b f O_RDWR
  fsync b
  close b
  open a f O_WRONLY
  pwritev2 a 0 J RWF_DSYNC
  pwritev2 a 5 more RWF_SYNC
  power cut
  content f -> Jellomore

  # of a file that is read and written
  open a f O_RDWR|O_CREAT
  pwritev2 a 0 hello RWF_DSYNC
  power cut
  content f -> hello

  # of a file that was emptied
  put f hello
  open a f O_WRONLY|O_TRUNC
  pwritev2 a 0 new RWF_DSYNC
  power cut
  content f -> new

  # after others that were not synced
  open a f O_WRONLY|O_CREAT
  write a x*1M
  pwritev2 a 1M hello RWF_DSYNC
  power cut
  stat f size -> 1048581
  open a f O_RDONLY
  pread a 1M 10 -> hello

  # of a new file
  open a f O_WRONLY|O_CREAT
  pwritev2 a 0 hello RWF_DSYNC
  power cut
  content f -> hello
`,
)

export const synced = table(
  'power cut, fsync',
  `
  # fdatasync of a file that was written
  open a f O_WRONLY|O_CREAT
  write a hello
  fdatasync a
  pwrite a 0 J
  fdatasync a
  power cut
  content f -> Jello

  # msync of what was stored
  put f x*4096
  open a f O_RDWR
  fsync a
  mmap m a write shared 4096
  store m 0 y
  msync m
  power cut
  open a f O_RDONLY
  pread a 0 4 -> yxxx

  # fsync after a truncate
  put f helloworld
  open a f O_RDWR
  ftruncate a 5
  fsync a
  power cut
  content f -> hello

  # fsync after a rename
  put a new
  put f old
  open x a O_RDWR
  rename a f
  fsync x
  power cut
  content f -> new
  stat a type -> ENOENT

  # fsync of a directory
  mkdir d
  put d/f hello
  open a d/f O_RDONLY
  fsync a
  link d/f d/g
  open b d O_RDONLY
  fsync b
  power cut
  content d/g -> hello

  # fsync of a new file
  open a f O_WRONLY|O_CREAT
  write a hello
  fsync a
  power cut
  content f -> hello
`,
)
