/** What the tests look at in a Deployment or DaemonSet; the schema has been checked before. */
import assert from 'node:assert/strict'
import type { Manifest } from './manifests.ts'

export interface Probe {
  httpGet: { path: string; port: string }
  periodSeconds: number
  failureThreshold: number
}

export interface Container {
  name: string
  image: string
  args: string[]
  envFrom: { configMapRef?: { name: string }; secretRef?: { name: string } }[]
  env: { name: string; valueFrom: { fieldRef: { fieldPath: string } } }[]
  ports: { name: string; containerPort: number }[]
  startupProbe: Probe
  livenessProbe: Probe
  readinessProbe: Probe
  lifecycle?: { preStop: { exec: { command: string[] } } }
  securityContext: { privileged?: boolean; readOnlyRootFilesystem?: boolean }
  volumeMounts: { name: string; mountPath: string; mountPropagation?: string }[]
}

export interface Volume {
  name: string
  hostPath?: { path: string; type: string }
  persistentVolumeClaim?: { claimName: string }
  emptyDir?: object
}

export interface Workload extends Manifest {
  spec: {
    replicas?: number
    strategy?: { type: string }
    selector: { matchLabels: Record<string, string> }
    template: {
      metadata: { labels: Record<string, string> }
      spec: {
        containers: Container[]
        volumes: Volume[]
        enableServiceLinks?: boolean
        terminationGracePeriodSeconds: number
      }
    }
  }
}

export interface Keyed extends Manifest {
  data?: Record<string, string>
  stringData?: Record<string, string>
}

// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the kind says it
export function find<T extends Manifest>(all: Manifest[], kind: string, name: string): T {
  const found = all.find((it) => it.kind === kind && it.metadata.name === name)
  assert.ok(found, `there is no ${kind} ${name}`)
  return found as T
}

export function containerOf(workload: Workload): Container {
  const [container, ...others] = workload.spec.template.spec.containers
  assert.equal(others.length, 0)
  return container!
}

/** The variables of a container, as Kubernetes would set them; later sources win. */
export function environmentOf(all: Manifest[], container: Container): Record<string, string> {
  const environment: Record<string, string> = {}
  for (const { configMapRef, secretRef } of container.envFrom) {
    if (configMapRef)
      Object.assign(environment, find<Keyed>(all, 'ConfigMap', configMapRef.name).data)
    if (secretRef) Object.assign(environment, find<Keyed>(all, 'Secret', secretRef.name).stringData)
  }
  for (const { name, valueFrom } of container.env) {
    assert.equal(valueFrom.fieldRef.fieldPath, 'status.podIP')
    environment[name] = '10.0.0.7'
  }
  return environment
}
