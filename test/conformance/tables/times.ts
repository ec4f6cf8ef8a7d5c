/** Access, modification and change times. */
import { table } from '../case.ts'

export const times = table(
  'times',
  `
  # a write changes when a file was modified and changed
  create f
  open a f O_WRONLY
  note f
  write a x
  changed f -> mtime ctime
  note f
  pwrite a 100 x
  changed f -> mtime ctime

  # each write moves them on, also through an open descriptor
  open a f O_WRONLY|O_CREAT
  write a x
  note a
  write a y
  changed a -> mtime ctime
  note f
  write a z
  changed f -> mtime ctime

  # a write of no bytes changes nothing
  put f x
  open a f O_WRONLY
  note f
  write a "" -> 0
  changed f -> nothing

  # closing changes nothing
  open a f O_WRONLY|O_CREAT
  write a hello
  note f
  close a
  changed f -> nothing

  # fsync changes nothing
  open a f O_RDWR|O_CREAT
  write a hello
  note f
  fsync a
  changed f -> nothing

  # truncate changes them, also to the size that the file has
  put f hello
  note f
  truncate f 2
  changed f -> mtime ctime
  note f
  truncate f 2
  changed f -> mtime ctime
  note f
  truncate f 10
  changed f -> mtime ctime

  # ftruncate changes them, also to the size that the file has
  put f hello
  open a f O_WRONLY
  note f
  ftruncate a 5
  changed f -> mtime ctime

  # O_TRUNC changes them, of an empty file as well
  create f
  note f
  open a f O_WRONLY|O_TRUNC
  changed f -> mtime ctime
  put g hello
  note g
  open b g O_WRONLY|O_TRUNC
  changed g -> mtime ctime

  # opening and reading changes neither
  put f hello
  note f
  open a f O_RDWR
  changed f -> nothing

  # reading changes when a file was accessed
  put f hello
  utimes f 100 omit
  note f
  content f -> hello
  changed f -> atime

  # O_NOATIME leaves that
  put f hello
  utimes f 100 omit
  note f
  open a f O_RDONLY|O_NOATIME
  read a 5 -> hello
  changed f -> nothing

  # listing changes when a directory was accessed
  mkdir d
  create d/f
  utimes d 100 omit
  note d
  list d -> f
  changed d -> atime

  # fallocate changes them
  put f hello
  open a f O_WRONLY
  note f
  fallocate a 0 0 100
  changed f -> mtime ctime
  note f
  fallocate a KEEP_SIZE|PUNCH_HOLE 0 2
  changed f -> mtime ctime
  note f
  fallocate a KEEP_SIZE 0 200
  changed f -> mtime ctime

  # a rename changes when the file was changed, and both directories
  mkdir d
  mkdir e
  create d/f
  note d
  note e
  note d/f
  rename d/f e/f
  changed d -> mtime ctime
  changed e -> mtime ctime

  # a file that was renamed has a new change time
  create f
  open a f O_RDONLY
  note a
  rename f g
  changed a -> ctime

  # a rename to itself changes nothing
  create f
  note f
  note .
  rename f f
  changed f -> nothing
  changed . -> nothing

  # utimes sets what is said, and when the file was changed
  create f
  note f
  utimes f 100 200
  stat f atime mtime -> 100 200
  changed f -> ctime

  # utimes keeps nanoseconds
  create f
  utimes f 100.123456789 200.987654321
  stat f atime mtime -> 100.123456789 200.987654321

  # utimes leaves what is omitted
  create f
  utimes f 100 200
  utimes f omit 300
  stat f atime mtime -> 100 300
  utimes f 400 omit
  stat f atime mtime -> 400 300

  # utimes with both omitted changes nothing
  create f
  utimes f 100 200
  note f
  utimes f omit omit
  changed f -> nothing

  # utimes to now moves both on
  create f
  utimes f 100 200
  note f
  utimes f now now
  changed f -> atime mtime ctime

  # times before 1970 and after 2038
  create f
  utimes f -100 -200
  stat f atime mtime -> -100 -200
  utimes f 4294967296 8589934592
  stat f atime mtime -> 4294967296 8589934592

  # times of directories can be set
  mkdir d
  utimes d 100 200
  stat d atime mtime -> 100 200

  # a set modification time outlives the close of who has written
  open a f O_WRONLY|O_CREAT
  write a hello
  utimes f 100 200
  close a
  stat f mtime -> 200

  # a write after it counts
  open a f O_WRONLY|O_CREAT
  write a hello
  utimes f 100 200
  note f
  write a more
  changed f -> mtime ctime

  # setting extended attributes changes when the file was changed
  create f
  note f
  setxattr f user.a 1
  changed f -> ctime
  note f
  removexattr f user.a
  changed f -> ctime

  # a store into a shared mapping shows in the times after msync
  put f x*4096
  open a f O_RDWR
  mmap m a write shared 4096
  note f
  store m 0 y
  msync m
  changed f -> mtime ctime

  # copying changes the file that was copied to
  put f hello
  create g
  open a f O_RDONLY
  open b g O_WRONLY
  note g
  copy a b 5 -> 5
  changed g -> mtime ctime
`,
)
