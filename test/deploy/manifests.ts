/**
 * The Kubernetes manifests as `kubectl apply --kustomize` would send them. Overlays only list
 * files: rendering one is putting these after each other, which is what this does; anything else
 * that a kustomization may say is refused.
 */
import assert from 'node:assert/strict'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { ROOT } from '../tidy/source-files.ts'

export const OVERLAYS = ['k8s/overlays/s3', 'k8s/overlays/azure', 'k8s/overlays/postgres']

export interface Manifest {
  apiVersion: string
  kind: string
  metadata: { name: string; namespace?: string; labels?: Record<string, string> }
}

interface Kustomization {
  apiVersion: string
  kind: string
  resources: string[]
}

export function readManifests(path: string): Manifest[] {
  const documents = parseAllDocuments(readFileSync(join(ROOT, path), 'utf8'), { uniqueKeys: true })
  assert.ok(Array.isArray(documents), `${path} is empty`)
  return documents.map((document) => {
    assert.deepEqual([...document.errors, ...document.warnings], [], path)
    return document.toJS() as Manifest
  })
}

/** Every object of a folder with a kustomization. */
export function render(folder: string): Manifest[] {
  const file = join(folder, 'kustomization.yaml')
  const [it] = readManifests(file) as unknown as [Kustomization]
  assert.deepEqual(Object.keys(it).sort(), ['apiVersion', 'kind', 'resources'], file)
  assert.deepEqual([it.apiVersion, it.kind], ['kustomize.config.k8s.io/v1beta1', 'Kustomization'])
  return it.resources.flatMap((resource) => {
    const path = join(folder, resource)
    return statSync(join(ROOT, path)).isDirectory() ? render(path) : readManifests(path)
  })
}
