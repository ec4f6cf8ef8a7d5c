/** A git repository is cloned onto the mount, checked, repacked, evicted, and checked again. */
import { cpSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { requireEqual, run } from './stage.ts'
import type { Stage } from './stage.ts'

const SOURCES = new URL('../../src', import.meta.url).pathname
const ENVIRONMENT = {
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_AUTHOR_NAME: 'A',
  GIT_AUTHOR_EMAIL: 'a@example.org',
  GIT_COMMITTER_NAME: 'A',
  GIT_COMMITTER_EMAIL: 'a@example.org',
}

export async function gitStep(stage: Stage, { commits }: { commits: number }): Promise<void> {
  const origin = stage.local('origin')
  makeRepository(origin, commits)
  const clone = join(stage.onMount('git'), 'clone')
  git(origin, 'clone', '--quiet', '--no-hardlinks', origin, clone)
  git(clone, 'fsck', '--full', '--strict')
  requireEqual('the history', git(clone, 'log', '--stat'), git(origin, 'log', '--stat'))
  requireEqual('git status', git(clone, 'status', '--porcelain'), '')
  stage.say(`git: ${commits} commits cloned; fsck --full and status are clean`)
  git(clone, 'gc', '--quiet', '--aggressive', '--prune=now')
  git(clone, 'fsck', '--full', '--strict')
  requireEqual('git status', git(clone, 'status', '--porcelain'), '')
  stage.say('git: gc; fsck --full and status are clean')
  writeFileSync(join(clone, 'new.txt'), 'new\n')
  git(clone, 'add', '.')
  git(clone, 'commit', '--quiet', '-m', 'Made on the mount')
  await stage.evictAll()
  await stage.restart()
  git(clone, 'fsck', '--full', '--strict')
  requireEqual('git status', git(clone, 'status', '--porcelain'), '')
  git(origin, 'pull', '--quiet', clone, 'HEAD')
  requireEqual('the history', git(clone, 'log', '--stat'), git(origin, 'log', '--stat'))
  stage.say('git: committed, evicted, node killed and started; fsck clean, pulled back')
}

/** Local history: needs no network, and is the same in each run. */
function makeRepository(directory: string, commits: number): void {
  git(directory, 'init', '--quiet', '--initial-branch=main')
  cpSync(SOURCES, join(directory, 'src'), { recursive: true })
  for (let commit = 0; commit < commits; commit++) {
    writeFileSync(join(directory, `file-${commit % 7}`), `content ${commit}\n`.repeat(commit + 1))
    git(directory, 'add', '.')
    git(directory, 'commit', '--quiet', '-m', `Commit ${commit}`)
  }
}

function git(directory: string, ...args: string[]): string {
  return run('git', args, { cwd: directory, environment: ENVIRONMENT }).stdout
}
