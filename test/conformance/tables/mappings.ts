/** Memory-mapped files, combined with reads and writes. */
import { table } from '../case.ts'

export const mappings = table(
  'mmap',
  `
  # shows what the file has
  put f hello
  open a f O_RDONLY
  mmap m a read shared 4096
  load m 0 8 -> hello...

  # shows what is written later
  put f hello
  open a f O_RDWR
  mmap m a read shared 4096
  load m 0 5 -> hello
  pwrite a 0 J
  load m 0 5 -> Jello
  open b f O_WRONLY
  pwrite b 1 E
  load m 0 5 -> JEllo
  pread a 0 5 -> JEllo

  # what is stored is read
  put f hello
  open a f O_RDWR
  mmap m a write shared 4096
  store m 0 J
  pread a 0 5 -> Jello
  content f -> Jello
  open b f O_RDONLY
  pread b 0 5 -> Jello

  # what is stored stays after munmap and close
  put f hello
  open a f O_RDWR
  mmap m a write shared 4096
  store m 0 JELLO
  munmap m
  close a
  content f -> JELLO

  # a mapping outlives its descriptor
  put f hello
  open a f O_RDWR
  mmap m a write shared 4096
  close a
  store m 0 J
  msync m
  content f -> Jello

  # what is stored beyond the end is of no file
  put f hello
  open a f O_RDWR
  mmap m a write shared 4096
  store m 10 x
  msync m
  content f -> hello
  stat f size -> 5

  # two processes share what is stored
  put f hello
  open a f O_RDWR
  two open b f O_RDWR
  mmap m a write shared 4096
  two mmap n b write shared 4096
  store m 0 J
  two load n 0 5 -> Jello
  two store n 1 E
  load m 0 5 -> JEllo

  # a private mapping changes no file
  put f hello
  open a f O_RDONLY
  mmap m a write private 4096
  store m 0 J
  load m 0 5 -> Jello
  content f -> hello

  # a mapping wants the rights of its descriptor
  put f hello
  open a f O_RDONLY
  open b f O_WRONLY
  mmap m a write shared 4096 -> EACCES
  mmap n b read shared 4096 -> EACCES
  mmap o b write shared 4096 -> EACCES

  # a file that grows under a mapping
  put f hello
  open a f O_RDWR
  mmap m a write shared 8192
  load m 0 5 -> hello
  ftruncate a 8192
  load m 4096 4 -> .*4
  store m 4096 data
  pread a 4096 4 -> data
  stat f size -> 8192

  # a mapping of a part
  put f a*4096+b*4096
  open a f O_RDWR
  mmap m a write shared 4096 4096
  load m 0 4 -> b*4
  store m 0 c
  pread a 4095 3 -> acb

  # an unlinked file stays mapped
  put f hello
  open a f O_RDWR
  mmap m a write shared 4096
  unlink f
  close a
  store m 0 J
  load m 0 5 -> Jello

  # a new file can be mapped and written
  open a f O_RDWR|O_CREAT
  ftruncate a 4096
  mmap m a write shared 4096
  store m 0 hello
  munmap m
  close a
  open a f O_RDONLY
  pread a 0 8 -> hello...

  # writes beside a mapping of a file that was written only
  open a f O_WRONLY|O_CREAT
  write a x*4096
  open b f O_RDONLY
  mmap m b read shared 4096
  load m 0 4 -> x*4
  pwrite a 0 yyyy
  load m 0 4 -> y*4

  # a directory cannot be mapped
  open a . O_RDONLY
  mmap m a read shared 4096 -> ENODEV
`,
)
