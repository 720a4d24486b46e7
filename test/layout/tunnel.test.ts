import { readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { expect, it } from 'vitest'

const src = resolve(import.meta.dirname, '../../src')

/** Every file and package that a program loads, types left out. */
function loadedBy(main: string): Set<string> {
  const found = new Set<string>()
  const visit = (file: string): void => {
    if (found.has(file)) return
    found.add(file)
    const text = readFileSync(file, 'utf8')
    const imports = text.matchAll(/(?:^|\n)(?:import|export)\s(?!type\s)[^'"]*?from\s+'([^']+)'|import\('([^']+)'\)/g)
    for (const [, fixed, dynamic] of imports) {
      const name = fixed ?? dynamic ?? ''
      if (name.startsWith('.')) visit(join(dirname(file), name))
      else if (name.startsWith('#shared/')) visit(join(src, 'shared', name.slice('#shared/'.length), 'index.ts'))
      else found.add(name)
    }
  }
  visit(join(src, main))
  return found
}

it('the tunnel loads nothing of Kubernetes: each of its megabytes is there once a node', () => {
  // Relative: the checkout's own folder may be called anything.
  const loaded = [...loadedBy('ztunnel/main.ts')].map((name) => name.replace(src, ''))
  expect(loaded.filter((name) => name.includes('shared/k8s') || name.includes('kube'))).toEqual([])
  // The walk does see what others load.
  expect(loadedBy('node-agent/main.ts')).toContain('@kubernetes/client-node')
})
