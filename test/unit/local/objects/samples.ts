import { type KubeObject, readObjects } from '#shared/k8s'
import { localKinds } from '../../../../src/local/objects/index.ts'

/** Objects of a YAML text, as users' folders are read. @throws Error with every problem */
export function objectsOf(yaml: string): readonly KubeObject[] {
  const { objects, problems } = readObjects(yaml, 'test.yaml', localKinds)
  if (problems.length > 0) throw new Error(JSON.stringify(problems))
  return objects
}

export function problemsOf(yaml: string): readonly string[] {
  return readObjects(yaml, 'test.yaml', localKinds).problems.map(
    ({ line, path, problem }) => `${line} ${path} ${problem}`,
  )
}
