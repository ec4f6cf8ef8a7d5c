/** Loaded before a program (node --import): replaces its node with the stand-in. */
import { registerHooks } from 'node:module'

const STAND_IN = new URL('stand-in-node.ts', import.meta.url).href

registerHooks({
  resolve(specifier, context, next) {
    const isNode = specifier === './node.ts' && context.parentURL?.includes('/src/node/') === true
    return isNode
      ? { url: STAND_IN, format: 'module-typescript', shortCircuit: true }
      : next(specifier, context)
  },
})
