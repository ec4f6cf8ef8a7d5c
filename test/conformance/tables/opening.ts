/** Flags of open(2), and which files can be opened with them. */
import { table } from '../case.ts'

export const opening = table(
  'opening',
  `
  # a descriptor reads or writes as it was opened
  put f hello
  open a f O_RDONLY
  open b f O_WRONLY
  open c f O_RDWR
  write a x -> EBADF
  read b 1 -> EBADF
  read c 1 -> h
  write c x -> 1
  content f -> hxllo
  ftruncate a 1 -> EINVAL
  ftruncate b 2
  fallocate a 0 0 10 -> EBADF

  # a directory is opened to read only
  mkdir d
  open a d O_RDONLY
  open b d O_WRONLY -> EISDIR
  open c d O_RDWR -> EISDIR
  open e d O_RDONLY|O_CREAT -> EISDIR
  open g d O_RDONLY|O_TRUNC -> EISDIR
  read a 10 -> EISDIR

  # O_DIRECTORY opens directories only
  create f
  mkdir d
  symlink d l
  open a f O_RDONLY|O_DIRECTORY -> ENOTDIR
  open b d O_RDONLY|O_DIRECTORY
  open c l O_RDONLY|O_DIRECTORY
  open e l O_RDONLY|O_DIRECTORY|O_NOFOLLOW -> ENOTDIR

  # O_TRUNC empties a file that is there
  put f hello
  open a f O_WRONLY|O_TRUNC
  stat f size -> 0
  put f hello
  open b f O_RDWR|O_TRUNC
  stat f size -> 0
  put f hello
  open c f O_RDONLY|O_TRUNC
  stat f size -> 0

  # O_TRUNC shows to who has the file open
  put f hello
  open a f O_RDWR
  open b f O_WRONLY|O_TRUNC
  read a 5 -> ""
  fstat a size -> 0
  write b new -> 3
  pread a 0 5 -> new

  # O_CREAT leaves what is there
  put f hello
  chmod f 0600
  open a f O_RDWR|O_CREAT 0644
  stat f size mode -> 5 0600

  # O_APPEND writes at the end, wherever the position is
  put f hello
  open a f O_RDWR|O_APPEND
  lseek a 0 SET -> 0
  write a +world -> 5
  content f -> helloworld
  lseek a 0 CUR -> 10
  pwrite a 0 XX -> 2
  content f -> helloworldXX

  # O_APPEND of two descriptors
  open a f O_WRONLY|O_CREAT|O_APPEND
  open b f O_WRONLY|O_APPEND
  write a one
  write b two
  write a three
  content f -> onetwothree

  # O_APPEND beside a writer that does not append
  open a f O_WRONLY|O_CREAT|O_APPEND
  open b f O_RDWR
  write a hello
  pwrite b 8 x
  write a end
  content f -> hello...xend

  # O_APPEND can be set and taken back
  put f hello
  open a f O_RDWR
  setfl a O_APPEND
  getfl a O_APPEND|O_NONBLOCK -> O_APPEND
  write a end
  content f -> helloend
  setfl a 0
  pwrite a 0 J
  content f -> Jelloend

  # O_APPEND after a truncate
  put f hello
  open a f O_WRONLY|O_APPEND
  truncate f 2
  write a x
  content f -> hex

  # RWF_APPEND appends once
  put f hello
  open a f O_RDWR
  pwritev2 a 0 end RWF_APPEND -> 3
  content f -> helloend
  pwrite a 0 J
  content f -> Jelloend

  # appends of two processes are all there
  open a f O_WRONLY|O_CREAT|O_APPEND
  two open b f O_WRONLY|O_APPEND
  repeat a 100 abcdefgh
  two start repeat b 100 ABCDEFGH
  repeat a 100 abcdefgh
  two finish -> ok
  stat f size -> 2400

  # a descriptor and its duplicate share their position
  put f helloworld
  open a f O_RDONLY
  dup a b
  read a 5 -> hello
  read b 5 -> world
  close a
  pread b 0 5 -> hello

  # two descriptors have a position each
  put f hello
  open a f O_RDONLY
  open b f O_RDONLY
  read a 3 -> hel
  read b 3 -> hel

  # positions are set from the start, from themselves, from the end
  put f helloworld
  open a f O_RDONLY
  lseek a 2 SET -> 2
  lseek a 3 CUR -> 5
  lseek a -1 END -> 9
  read a 5 -> d
  lseek a 100 END -> 110
  read a 5 -> ""
  lseek a -1 SET -> EINVAL
  lseek a -200 CUR -> EINVAL
  lseek a 0 BOGUS -> EINVAL

  # O_SYNC and O_DSYNC write as any other
  open a f O_WRONLY|O_CREAT|O_SYNC
  open b g O_WRONLY|O_CREAT|O_DSYNC
  open c h O_RDWR|O_CREAT|O_SYNC
  write a hello
  write b world
  write c again
  content f -> hello
  content g -> world
  content h -> again
  pwritev2 a 0 J RWF_DSYNC -> 1
  pwritev2 c 0 A RWF_SYNC -> 1
  content f -> Jello
  content h -> Again

  # O_SYNC and O_APPEND
  open a f O_WRONLY|O_CREAT|O_SYNC|O_APPEND
  write a one
  write a two
  append f three
  write a four
  content f -> onetwothreefour

  # O_PATH reads nothing
  put f hello
  open a f O_PATH
  read a 5 -> EBADF
  fstat a size -> 5
  fchmod a 0600 -> EBADF

  # O_TMPFILE makes a file without a name, which can get one
  open a . O_RDWR|O_TMPFILE 0600
  write a hello
  fstat a nlink size mode -> 0 5 0600
  list . -> empty
  linkOpen a f
  content f -> hello

  # a file that is opened often
  put f hello
  open a f O_RDONLY
  open b f O_WRONLY
  open c f O_RDWR
  open d f O_WRONLY|O_APPEND
  close a
  write d 1
  close b
  write c J
  close d
  pread c 0 10 -> Jello1
  content f -> Jello1

  # a file can be opened by way of any of its names
  put f hello
  link f g
  open a f O_WRONLY
  open b g O_RDONLY
  write a J
  pread b 0 5 -> Jello
  unlink f
  unlink g
  pwrite a 1 E
  pread b 0 5 -> JEllo

  # a readable descriptor stays one when the file becomes unreadable
  put f hello
  chmod f 0644
  alice: open a f O_RDONLY
  chmod f 0600
  alice: pread a 0 5 -> hello
  alice: open b f O_RDONLY -> EACCES
`,
)
