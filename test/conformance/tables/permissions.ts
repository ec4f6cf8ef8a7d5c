/** Permissions: mode bits, owners, groups, sticky and set-group-id directories. */
import { table } from '../case.ts'

/** Each of the eight permission sets, for each class of users. */
function rights(): string {
  const classes = [
    ['alice', 6],
    ['carol', 3],
    ['dave', 3],
    ['bob', 0],
  ] as const
  return Array.from({ length: 8 }, (_, bits) =>
    classes.map(([user, shift]) => {
      const mode = `0${(bits << shift).toString(8).padStart(3, '0')}`
      const may = (bit: number): string => ((bits & bit) !== 0 ? 'ok' : 'EACCES')
      const both = (bits & 6) === 6 ? 'ok' : 'EACCES'
      return `
  # ${user} with the rights ${mode}
  put f hello
  chown f alice alice
  chmod f ${mode}
  ${user}: open a f O_RDONLY -> ${may(4)}
  ${user}: open b f O_WRONLY -> ${may(2)}
  ${user}: open c f O_RDWR -> ${both}
  ${user}: open d f O_RDONLY|O_TRUNC -> ${both}
  ${user}: access f R_OK -> ${may(4)}
  ${user}: access f W_OK -> ${may(2)}
  ${user}: access f X_OK -> ${may(1)}
  ${user}: truncate f 2 -> ${may(2)}
  ${user}: stat f mode -> ${mode}
  mkdir d
  create d/f
  chown d alice alice
  chmod d ${mode}
  ${user}: stat d/f type -> ${(bits & 1) !== 0 ? 'file' : 'EACCES'}
  ${user}: list d -> ${(bits & 4) !== 0 ? 'f' : 'EACCES'}
  ${user}: create d/new -> ${(bits & 3) === 3 ? 'ok' : 'EACCES'}
  ${user}: unlink d/f -> ${(bits & 3) === 3 ? 'ok' : 'EACCES'}
`
    }),
  )
    .flat()
    .join('\n')
}

export const permissions = table(
  'permissions',
  `${rights()}
  # the first class that fits counts, also where it has fewer rights
  create f
  chown f alice alice
  chmod f 0077
  alice: open a f O_RDONLY -> EACCES
  chmod f 0707
  carol: open a f O_RDONLY -> EACCES
  bob: open a f O_RDONLY

  # root may all but execute what nobody may
  put f x
  chown f alice alice
  chmod f 0000
  open a f O_RDWR
  access f R_OK
  access f W_OK
  access f X_OK -> EACCES
  chmod f 0001
  access f X_OK

  # chmod is for the owner and root
  create f
  chown f alice bob
  bob: chmod f 0600 -> EPERM
  carol: chmod f 0600 -> EPERM
  alice: chmod f 0604
  stat f mode -> 0604
  chmod f 0640
  stat f mode -> 0640

  # chmod keeps the type and changes when the file was changed
  create f
  note f
  chmod f 0600
  changed f -> ctime
  stat f type -> file
  mkdir d
  chmod d 0700
  stat d type mode -> directory 0700

  # chmod to what it is changes when the file was changed
  create f 0644
  note f
  chmod f 0644
  changed f -> ctime

  # fchmod works without write access
  create f 0444
  chown f alice alice
  alice: open a f O_RDONLY
  alice: fchmod a 0600
  stat f mode -> 0600

  # chown to others is for root
  create f
  chown f alice alice
  alice: chown f bob -1 -> EPERM
  alice: chown f alice bob -> EPERM
  bob: chown f bob -1 -> EPERM
  aliceBob: chown f -1 bob
  stat f owner group -> alice bob
  aliceBob: chown f alice alice
  chown f bob alice
  stat f owner group -> bob alice

  # chown changes when the file was changed
  create f
  note f
  chown f alice -1
  changed f -> ctime
  note f
  chown f -1 bob
  changed f -> ctime

  # fchown and lchown
  create f
  open a f O_RDONLY
  fchown a alice bob
  stat f owner group -> alice bob
  symlink f l
  lchown l bob -1
  lstat l owner group -> bob root
  stat f owner -> alice

  # a new file belongs to who makes it
  alice: create f
  dave: create g
  carol: mkdir d
  bob: symlink x l
  stat f owner group -> alice alice
  stat g owner group -> dave dave
  stat d owner group -> carol alice
  lstat l owner group -> bob bob

  # a set-group-id directory hands on its group, and to directories its bit
  mkdir d 0777
  chown d root bob
  chmod d 02777
  alice: create d/f 0644
  alice: mkdir d/e 0755
  alice: symlink x d/l
  alice: mknod d/p S_IFIFO 0644
  stat d/f group mode -> bob 0644
  stat d/e group mode -> bob 2755
  lstat d/l group -> bob
  stat d/p group mode -> bob 0644

  # a member of the group may make set-group-id files in such a directory, others may not
  mkdir d 0777
  chown d root alice
  chmod d 02777
  bob: create d/f 02755
  stat d/f group mode -> alice 0755
  alice: create d/g 02755
  stat d/g group mode -> alice 2755
  dave: create d/h 02755
  stat d/h group mode -> alice 2755
  bob: create d/i 02644
  stat d/i mode

  # a directory that is moved below such a directory keeps its group
  mkdir d 02777
  chown d root bob
  chmod d 02777
  mkdir e
  rename e d/e
  stat d/e group mode -> root 0755

  # set-group-id by chmod is for members of the group
  create f
  chown f alice bob
  alice: chmod f 02755
  stat f mode -> 0755
  aliceBob: chmod f 02755
  stat f mode -> 2755
  chmod f 02711
  stat f mode -> 2711

  # set-user-id by chmod is for the owner
  create f
  chown f alice alice
  alice: chmod f 04755
  stat f mode -> 4755

  # the sticky bit of files can be set by root
  create f
  chmod f 01755
  stat f mode -> 1755

  # in a sticky directory only owners remove and rename
  mkdir d
  chmod d 01777
  alice: create d/f
  alice: mkdir d/e
  bob: unlink d/f -> EPERM
  bob: rename d/f d/g -> EPERM
  bob: rmdir d/e -> EPERM
  bob: create d/mine
  bob: rename d/mine d/f -> EPERM
  bob: rename d/f d/mine EXCHANGE -> EPERM
  bob: rename d/mine d/other
  alice: rename d/f d/g
  alice: unlink d/g
  alice: rmdir d/e

  # the owner of a sticky directory may remove what is in it
  mkdir d
  chmod d 01777
  chown d alice -1
  bob: create d/f
  alice: unlink d/f
  bob: create d/f
  carol: unlink d/f -> EPERM
  unlink d/f

  # without write access to its directory nothing is made, removed or renamed
  mkdir d
  create d/f
  chmod d 0755
  alice: create d/g -> EACCES
  alice: unlink d/f -> EACCES
  alice: rename d/f d/g -> EACCES
  alice: mkdir d/e -> EACCES
  alice: symlink x d/l -> EACCES
  alice: rename d/f f -> EACCES

  # whoever may write a directory may remove what others own in it
  mkdir d 0777
  chmod d 0777
  create d/f 0600
  alice: unlink d/f

  # rights are checked when a file is opened, not when it is used
  put f hello
  chown f alice alice
  alice: open a f O_RDWR
  chmod f 0000
  chown f root root
  alice: pread a 0 5 -> hello
  alice: pwrite a 0 j -> 1
  content f -> jello

  # a new file may be opened to write though its mode forbids it
  alice: open a f O_RDWR|O_CREAT 0444
  alice: write a hello -> 5
  stat f mode size -> 0444 5
  alice: open b f O_WRONLY -> EACCES

  # a directory that may not be searched hides what is in it
  mkdir d
  create d/f 0666
  chmod d 0666
  alice: stat d/f type -> EACCES
  alice: open a d/f O_RDONLY -> EACCES
  alice: truncate d/f 0 -> EACCES
  chmod d 0111
  alice: stat d/f type -> file
  alice: list d -> EACCES

  # utimes to now is for who may write, to a time for the owner
  put f x
  chown f alice alice
  chmod f 0666
  bob: utimes f now now
  bob: utimes f 100 100 -> EPERM
  bob: utimes f now omit -> EPERM
  chmod f 0644
  bob: utimes f now now -> EACCES
  alice: utimes f 100 200
  stat f mtime -> 200
  bob: utimes f omit omit

  # extended attributes of users follow the mode of the file
  put f x
  chown f alice alice
  chmod f 0644
  alice: setxattr f user.a 1
  bob: getxattr f user.a -> 1
  bob: setxattr f user.a 2 -> EACCES
  bob: removexattr f user.a -> EACCES
  chmod f 0600
  bob: getxattr f user.a -> EACCES
  bob: listxattr f -> user.a

  # trusted attributes are for root
  create f
  setxattr f trusted.a 1
  getxattr f trusted.a -> 1
  alice: getxattr f trusted.a -> ENODATA
  alice: setxattr f trusted.a 2 -> EPERM
`,
)
