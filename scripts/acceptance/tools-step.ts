/**
 * tar, rsync, cp, find, du and rm on a tree with everything that a tree may contain (hard links,
 * symbolic links, holes, attributes, unusual names and times): their output must be the same as on
 * the local file system.
 */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { requireEqual, run, shell } from './stage.ts'
import type { Stage } from './stage.ts'
import { listing } from './tree-step.ts'

const MAKE_TREE = `
  mkdir -p a/b/c empty "odd name" .hidden; chmod 1777 a/b; chmod 700 a/b/c
  echo one >a/one; ln a/one a/b/one-again; ln a/one hard; ln -s a/one soft; ln -s nowhere broken
  ln -s a/b directory-link; mkfifo fifo; : >empty-file; chmod 0 empty-file; chmod 4755 a/one
  head -c 3000000 /dev/urandom >random; cp random a/b/c/copy
  truncate -s 20M hole; echo middle | dd of=hole bs=1 seek=9000000 conv=notrunc status=none
  truncate -s 5M only-hole; echo x >"odd name/$(printf 'new\\nline')"; echo y >"odd name/-rf *?"
  printf z >"odd name/$(printf '\\377\\376')"
  i=0; while [ $i -lt 200 ]; do echo $i >a/b/c/$i; i=$((i+1)); done
  touch -d '1969-12-31 23:00:00.123456789 UTC' a/one; touch -d '2040-01-01 00:00:00.5 UTC' random
  touch -d '2001-02-03 04:05:06.789 UTC' a/b/c soft; touch -h -d '2002-02-03 UTC' soft
  setfattr -n user.one -v value a/one; setfattr -n user.binary -v 0x00ff00 empty
  chown 1234:4321 random; chown -h 12:34 soft`

const TAR = `tar --create --sort=name --format=posix --numeric-owner --xattrs
  --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime .`.replace(/\s+/g, ' ')

const QUESTIONS: [what: string, script: string][] = [
  ['find -links', 'find . -links +1 -type f | sort'],
  ['find -empty', 'find . -empty | sort'],
  ['find -perm', 'find . -perm /4001 | sort'],
  ['find -size', 'find . -size +1000k | sort'],
  ['find -newer', 'find . -newer a/b/c | sort'],
  ['find -xtype', 'find -L . -xtype l | sort; find . -type p'],
  ['find -samefile', 'find . -samefile hard | sort'],
  ['find -user', 'find . -user 1234 -o -group 34 | sort'],
  ['ls', 'ls -laRiU --time-style=full-iso a/b/c | wc -l; ls -lA --time-style=full-iso a'],
  [
    'du --apparent-size',
    'find . -type f -print0 | sort -z | du --apparent-size -lk --files0-from=-',
  ],
  ['du', 'du -ak hole only-hole random a/one'],
  ['getfattr', 'getfattr -R -h -d -m - . | sort'],
  ['content', 'find . -type f -perm /777 -print0 | sort -z | xargs -0 sha256sum'],
]

export async function toolsStep(stage: Stage): Promise<void> {
  const original = stage.local('tools')
  shell(MAKE_TREE, { cwd: original })
  await tarAndAsk(stage, original)
  rsync(stage, original)
  copy(stage, original)
  for (const name of ['tar', 'rsync', 'cp']) {
    const directory = join(stage.onMount(`gone-${name}`), '..', `tools-${name}`)
    run('rm', ['-rf', directory])
    if (existsSync(directory)) throw new Error(`${directory} is still there`)
  }
  stage.say('rm -rf: all of it is gone')
}

async function tarAndAsk(stage: Stage, original: string): Promise<void> {
  const target = stage.onMount('tools-tar')
  const extract = 'tar --extract --preserve-permissions --same-owner --xattrs --numeric-owner'
  shell(`(cd "$FROM" && ${TAR} --sparse) | ${extract}`, {
    cwd: target,
    environment: { FROM: original },
  })
  requireEqual('tar: the tree', listing(target), listing(original))
  const sum = `${TAR} | sha256sum`
  requireEqual('tar: the archive', shell(sum, { cwd: target }), shell(sum, { cwd: original }))
  stage.say('tar: extracted on the mount, archived again: the same archive, byte for byte')
  ask(stage, target, original, 'as locally')
  await stage.evictAll()
  await stage.restart()
  ask(stage, target, original, 'as locally, evicted and with the node killed')
}

function ask(stage: Stage, target: string, original: string, how: string): void {
  for (const [what, script] of QUESTIONS) {
    requireEqual(what, shell(script, { cwd: target }), shell(script, { cwd: original }))
  }
  stage.say(`${QUESTIONS.map(([what]) => what).join(', ')}: ${how}`)
}

function rsync(stage: Stage, original: string): void {
  const target = stage.onMount('tools-rsync')
  const flags = ['-aHX', '--numeric-ids']
  run('rsync', [...flags, `${original}/`, `${target}/`])
  requireEqual('rsync: the tree', listing(target), listing(original))
  const check = [...flags, '-c', '-n', '-i', '--delete']
  const { stdout } = run('rsync', [...check, `${original}/`, `${target}/`])
  requireEqual('rsync: what is left to do', stdout, '')
  const back = stage.local('tools-back')
  run('rsync', [...flags, '--sparse', `${target}/`, `${back}/`])
  requireEqual('rsync: the tree brought back', listing(back), listing(original))
  stage.say('rsync -aHX: copied to the mount and back; a second run finds nothing to do')
}

function copy(stage: Stage, original: string): void {
  const target = stage.onMount('tools-cp')
  run('cp', ['-a', '--sparse=always', `${original}/.`, target])
  requireEqual('cp: the tree', listing(target), listing(original))
  run('cp', ['--sparse=never', join(target, 'hole'), join(target, 'no-hole')])
  run('cmp', [join(target, 'hole'), join(target, 'no-hole')])
  const sparse = statSync(join(target, 'hole')).blocks * 512
  const full = statSync(join(target, 'no-hole')).blocks * 512
  if (sparse > 1024 * 1024 || full < 20 * 1024 * 1024) {
    throw new Error(`holes: ${sparse} bytes with cp --sparse=always, ${full} with =never`)
  }
  if (readdirSync(target).length !== readdirSync(original).length + 1) {
    throw new Error(`${target} has not as many entries as ${original}`)
  }
  stage.say(`cp -a --sparse: holes kept (${sparse} bytes on disk) and filled (${full})`)
}
