/** Names: which are valid, how they are resolved, created and removed. */
import { table } from '../case.ts'

const LONG = 'n'.repeat(255)
const DEEP = `${'d'.repeat(200)}/`.repeat(21)

export const names = table(
  'names',
  `
  # a name of 255 bytes is taken, one of 256 is not
  create ${LONG}
  stat ${LONG} type -> file
  create ${LONG}n -> ENAMETOOLONG
  mkdir ${LONG}n -> ENAMETOOLONG
  symlink x ${LONG}n -> ENAMETOOLONG
  rename ${LONG} ${LONG}n -> ENAMETOOLONG
  link ${LONG} ${LONG}n -> ENAMETOOLONG
  stat ${LONG}n type -> ENAMETOOLONG
  unlink ${LONG}n -> ENAMETOOLONG

  # a path of more than 4095 bytes is refused
  stat ${DEEP}f type -> ENAMETOOLONG

  # an empty path names nothing
  stat "" type -> ENOENT

  # names of any letters are kept as they are
  create ä
  create 日本
  create a:b*c?d
  create -n
  create ..x
  create ...
  list . -> -n ... ..x a:b*c?d ä 日本

  # letters of either case are different names
  create name
  create NAME
  list . -> NAME name

  # dots are the directory and the one above it
  mkdir d
  same d/. d -> same
  same d/.. . -> same
  rmdir d/. -> EINVAL
  rmdir d/.. -> ENOTEMPTY
  unlink d/. -> EISDIR
  rename d/. e -> EBUSY
  mkdir d/. -> EEXIST
  create d/.. -> EEXIST

  # a new file is empty, with one name, of its maker
  create f 0640
  stat f type mode nlink size owner group allocated -> file 0640 1 0 root root none

  # a new directory has two names, and one more for each directory in it
  mkdir d 0750
  stat d type mode nlink owner group -> directory 0750 2 root root
  mkdir d/e
  stat d nlink -> 3
  mkdir d/g
  stat d nlink -> 4
  rmdir d/e
  stat d nlink -> 3
  create d/f
  stat d nlink -> 3

  # O_EXCL fails where there is a name already
  create f
  create f -> EEXIST
  mkdir f -> EEXIST
  symlink x f -> EEXIST
  mknod f S_IFIFO -> EEXIST
  link f f -> EEXIST

  # O_EXCL does not follow a symbolic link that leads nowhere
  symlink nowhere l
  create l -> EEXIST
  open a l O_WRONLY|O_CREAT|O_EXCL -> EEXIST
  stat nowhere type -> ENOENT

  # O_CREAT follows a symbolic link that leads nowhere, and makes its target
  symlink target l
  open a l O_WRONLY|O_CREAT 0600
  stat target type mode -> file 0600

  # mkdir does not follow a symbolic link that leads nowhere
  symlink nowhere l
  mkdir l -> EEXIST

  # what is not there is ENOENT
  stat f type -> ENOENT
  unlink f -> ENOENT
  rmdir f -> ENOENT
  rename f g -> ENOENT
  link f g -> ENOENT
  chmod f 0600 -> ENOENT
  chown f alice alice -> ENOENT
  truncate f 1 -> ENOENT
  open a f O_RDONLY -> ENOENT
  create d/f -> ENOENT
  mkdir d/e -> ENOENT
  symlink x d/l -> ENOENT
  readlink f -> ENOENT

  # a file is no directory on the way
  create f
  stat f/g type -> ENOTDIR
  create f/g -> ENOTDIR
  mkdir f/g -> ENOTDIR
  unlink f/g -> ENOTDIR
  rmdir f/g -> ENOTDIR
  rename f/g h -> ENOTDIR
  stat f/. type -> ENOTDIR
  stat f/ type -> ENOTDIR
  unlink f/ -> ENOTDIR

  # a name with a slash at its end is a directory
  mkdir d
  stat d/ type -> directory
  mkdir e/
  stat e type -> directory
  open a x/ O_WRONLY|O_CREAT -> EISDIR
  rename d/ f/
  rmdir f/

  # unlink removes no directory, rmdir no file
  mkdir d
  create f
  unlink d -> EISDIR
  rmdir f -> ENOTDIR

  # rmdir removes only what is empty
  mkdir d
  create d/f
  rmdir d -> ENOTEMPTY
  unlink d/f
  rmdir d
  stat d type -> ENOENT

  # a directory that is removed while it is open is empty, and takes no names
  mkdir d
  open a d O_RDONLY|O_DIRECTORY
  cd d
  rmdir ../d
  fstat a nlink -> 0
  entries a -> ENOENT
  create f -> ENOENT
  mkdir e -> ENOENT
  symlink x l -> ENOENT

  # an open file outlives its name
  put f hello
  open a f O_RDWR
  unlink f
  stat f type -> ENOENT
  fstat a nlink size -> 0 5
  pread a 0 10 -> hello
  pwrite a 5 world -> 5
  pread a 0 10 -> helloworld
  ftruncate a 3
  fstat a size -> 3
  fchmod a 0600
  fstat a mode -> 0600

  # a name that comes again is another file
  put f old
  open a f O_RDONLY
  unlink f
  put f new
  pread a 0 10 -> old
  content f -> new
  same a f -> different

  # an open file without a name cannot get one back from outside
  put f x
  open a f O_RDONLY
  unlink f
  linkOpen a g -> ENOENT

  # making a name changes the times of its directory
  mkdir d
  note d
  create d/f
  changed d -> mtime ctime
  note d
  mkdir d/e
  changed d -> mtime ctime
  note d
  symlink x d/l
  changed d -> mtime ctime
  note d
  mknod d/p S_IFIFO
  changed d -> mtime ctime
  note d
  link d/f d/g
  changed d -> mtime ctime

  # removing a name changes the times of its directory
  mkdir d
  mkdir d/e
  create d/f
  note d
  unlink d/f
  changed d -> mtime ctime
  note d
  rmdir d/e
  changed d -> mtime ctime

  # removing one of two names changes when the file was changed
  create f
  link f g
  note f
  unlink g
  changed f -> ctime

  # looking and failing changes no times
  create f
  note .
  create f -> EEXIST
  unlink g -> ENOENT
  rmdir f -> ENOTDIR
  mkdir f -> EEXIST
  changed . -> nothing

  # O_CREAT of a file that is there changes no times
  create f
  note f
  note .
  open a f O_WRONLY|O_CREAT
  changed f -> nothing
  changed . -> nothing

  # device nodes keep their numbers
  mknod c S_IFCHR 0600 1:3
  mknod b S_IFBLK 0600 7:300
  stat c type mode device -> char 0600 1:3
  stat b type mode device -> block 0600 7:300

  # pipes and sockets are made by mknod
  mknod p S_IFIFO 0640
  mknod s S_IFSOCK 0600
  mknod f S_IFREG 0604
  stat p type mode nlink size -> fifo 0640 1 0
  stat s type mode -> socket 0600
  stat f type mode size -> file 0604 0

  # bytes go through a named pipe
  mknod p S_IFIFO
  open a p O_RDWR|O_NONBLOCK
  write a hello -> 5
  read a 10 -> hello
  read a 10 -> EAGAIN

  # a pipe without a reader cannot be opened to write at once
  mknod p S_IFIFO
  open a p O_WRONLY|O_NONBLOCK -> ENXIO

  # a socket cannot be opened
  mknod s S_IFSOCK
  open a s O_RDONLY -> ENXIO

  # only root makes device nodes
  alice: mknod c S_IFCHR 0600 1:3 -> EPERM
  alice: mknod b S_IFBLK 0600 1:3 -> EPERM
  alice: mknod p S_IFIFO 0600
  stat p owner group -> alice alice

  # the file mode creation mask takes bits away
  umask 027
  create f 0666
  mkdir d 0777
  mknod p S_IFIFO 0666
  symlink x l
  stat f mode -> 0640
  stat d mode -> 0750
  stat p mode -> 0640
  lstat l mode -> 0777

  # set-id and sticky bits can be given at creation
  create f 06755
  stat f mode -> 6755
  mkdir d 01777
  stat d mode -> 1777

  # a listing has every name once
  mkdir d
  fill d 150
  count d -> 150 names
`,
)
