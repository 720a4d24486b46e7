import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { ImageCommand, ImageEntry, ImageLookup } from './catalog.ts'

/** Where the programs of this installation are; absolute. */
export interface BuiltInPlaces {
  readonly node: string
  /** With one folder per program. */
  readonly distDir: string
  readonly samplesDir: string
}

const SHOP = ['web', 'cart', 'payments', 'catalog']

/** Images that every mesh knows, whatever their tag. */
export function builtInImages({ node, distDir, samplesDir }: BuiltInPlaces): readonly ImageEntry[] {
  const shop = join(samplesDir, 'shop')
  return [
    entry('ambit/echo', runs([node, join(samplesDir, 'echo', 'echo.mjs')], join(samplesDir, 'echo'))),
    ...SHOP.map((name) => entry(`ambit/shop-${name}`, runs([node, join(shop, `${name}.mjs`)], shop))),
    // Does nothing by itself: one sends requests from it with `kubectl exec`.
    entry('ambit/shop-client', runs(['sleep', 'infinity'], shop)),
    program('ambit/waypoint', node, join(distDir, 'waypoint', 'main.js')),
  ]
}

/**
 * Looked at each time: a program may be built while the mesh runs. Without source maps: with them each stack of an error
 * costs milliseconds, and strangers' requests can cause errors.
 */
function program(name: string, node: string, file: string): ImageEntry {
  const found = runs([node, file], '/')
  const reason = `this installation has no such program (${file} does not exist)`
  return { name, tag: '*', find: () => (existsSync(file) ? found : { kind: 'unavailable', reason }) }
}

function entry(name: string, found: ImageLookup): ImageEntry {
  return { name, tag: '*', find: () => found }
}

function runs(command: readonly string[], workingDir: string): ImageLookup {
  const image: ImageCommand = { command, args: [], env: {}, workingDir }
  return { kind: 'known', image }
}
