import { parse } from 'yaml'
import type { ApiObject } from '../../../../src/local/apiserver/index.ts'
import { builtInImages, imageCatalog, parseImageFile } from '../../../../src/local/images/index.ts'
import { type PodRules, podProblems } from '../../../../src/local/pod-plan/index.ts'

const mapped = parseImageFile(
  'images: [{ image: mapped, command: [server, --port], args: ["80"], env: { FROM: image, PATH: /image }, workingDir: /srv }]',
  '/images.yaml',
)

/** A machine that root runs, with the images that every mesh knows and one more. */
export const rules: PodRules = {
  images: imageCatalog([...mapped, ...builtInImages({ node: '/node', distDir: '/no/dist', samplesDir: '/samples' })]),
  ids: { hasUser: () => true, hasGroup: () => true },
}

/** As `rules`, in a mesh of an ordinary user. */
export const rootlessRules: PodRules = { ...rules, ids: { hasUser: (id) => id === 0, hasGroup: (id) => id === 0 } }

/** `spec` of a pod from YAML; a container is one that has a command. */
export function specOf(yaml: string): Record<string, unknown> {
  return { containers: [{ name: 'c', command: ['a'] }], ...parse(yaml) }
}

export function podOf(yaml: string): ApiObject {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', namespace: 'shop', uid: 'u-1' }, spec: specOf(yaml) }
}

export function problemsOf(yaml: string, of: PodRules = rules): readonly string[] {
  return podProblems(specOf(yaml), of).map(({ path, problem }) => `${path.join('.')} ${problem}`)
}
