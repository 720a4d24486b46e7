import { type KubeObject, readObjects } from '#shared/k8s'
import { builtInImages, imageCatalog } from '../../../../src/local/images/index.ts'
import { localKinds } from '../../../../src/local/objects/index.ts'
import type { PodRules } from '../../../../src/local/pod-plan/index.ts'

/** A machine that root runs, with the images that every mesh knows. */
export const rules: PodRules = {
  images: imageCatalog(builtInImages({ node: '/node', distDir: '/dist', samplesDir: '/samples' })),
  ids: { hasUser: () => true, hasGroup: () => true },
}

/** Objects of a YAML text, as users' folders are read. @throws Error with every problem */
export function objectsOf(yaml: string): readonly KubeObject[] {
  const { objects, problems } = readObjects(yaml, 'test.yaml', localKinds(rules))
  if (problems.length > 0) throw new Error(JSON.stringify(problems))
  return objects
}

export function problemsOf(yaml: string): readonly string[] {
  return readObjects(yaml, 'test.yaml', localKinds(rules)).problems.map(
    ({ line, path, problem }) => `${line} ${path} ${problem}`,
  )
}
