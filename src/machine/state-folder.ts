/**
 * The state folder of a node that `cachefs up` starts (`~/.cachefs`): its mount point, its NVMe
 * directory, the folder that serves as its cloud, its log, its keys (node/api-secrets.ts), and its
 * record while it runs (running-record.ts).
 */
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { claimFolder } from '../volume/folder/own-folder.ts'
import type { NodeDefaults } from '../options/node-options.ts'

export class StateFolder {
  readonly path: string

  constructor(path: string = join(homedir(), '.cachefs')) {
    this.path = resolve(path)
  }

  get logFile(): string {
    return join(this.path, 'node.log')
  }

  /** Default flags of a node with this state folder. */
  get nodeDefaults(): NodeDefaults {
    return {
      mount: join(this.path, 'mount'),
      nvme: join(this.path, 'nvme'),
      'cloud-dir': join(this.path, 'cloud'),
    }
  }

  make(): void {
    claimFolder(this.path, { name: 'state folder', flag: '--dir' })
  }
}
