import { describe, expect, it } from 'vitest'
import { meshKinds, type ObjectSource, ObjectTable, readObjects } from '#shared/k8s'
import { type PodPlan, PodWatch } from '../../../../src/node-agent/pods/index.ts'

const settings = { nodeName: 'n1', excludedNamespaces: new Set<string>(), isDnsCaptured: false }
const enrolled = 'labels: {istio.io/dataplane-mode: ambient}'

const namespace = (labels = ''): string => `{apiVersion: v1, kind: Namespace, metadata: {name: shop, ${labels}}}`
const pod = (name: string, metadata = '', node = 'n1', phase = 'Running'): string => `
{apiVersion: v1, kind: Pod, metadata: {name: ${name}, namespace: shop, uid: ${name}-uid, ${metadata}},
 spec: {nodeName: ${node}, containers: [{name: c, image: i}]}, status: {phase: ${phase}}}`

/** Objects as the source gives them, and the plans that came of them, in words. */
function watch(...first: string[]) {
  const table = new ObjectTable()
  const show = (...documents: string[]): void => {
    const { objects, problems } = readObjects(documents.join('\n---\n'), 'test.yaml', meshKinds)
    expect(problems).toEqual([])
    table.replaceAll(objects)
  }
  show(...first)
  const plans: string[] = []
  const source: ObjectSource = {
    synced: Promise.resolve(),
    problems: [],
    subscribe: (kind, listener) => table.subscribe(kind, listener),
    close: async () => {},
  }
  const podWatch = new PodWatch(source, settings, (plan: PodPlan) => {
    plans.push(plan.kind === 'capture' ? `capture ${plan.pod.uid}` : `leave ${plan.uid}: ${plan.because}`)
  })
  /** What has been planned since the last time. */
  const news = (): string[] => plans.splice(0)
  return { show, news, podWatch }
}

describe('the pods of a node', () => {
  it('are planned as they are found, others are not', () => {
    const { news } = watch(
      namespace(enrolled),
      pod('a'),
      pod('b', 'labels: {istio.io/dataplane-mode: none}'),
      pod('c', '', 'n2'),
    )
    expect(news()).toEqual(['capture a-uid', 'leave b-uid: pod-opted-out'])
  })

  it('are planned anew when their namespace changes its mind', () => {
    const { show, news } = watch(namespace(), pod('a'))
    expect(news()).toEqual(['leave a-uid: not-labelled'])
    show(namespace(enrolled), pod('a'))
    expect(news()).toEqual(['capture a-uid'])
    show(pod('a'))
    expect(news()).toEqual(['leave a-uid: not-labelled'])
  })

  it('are not told again when nothing changes for them', () => {
    const { show, news } = watch(namespace(enrolled), pod('a'))
    news()
    show(namespace(enrolled), pod('a', 'annotations: {note: new}'), pod('b'))
    expect(news()).toEqual(['capture b-uid'])
  })

  it('are left when they end, are deleted, or are another node’s', () => {
    const { show, news } = watch(namespace(enrolled), pod('a'), pod('b'), pod('c'))
    news()
    show(namespace(enrolled), pod('a', '', 'n1', 'Succeeded'), pod('c', '', 'n2'))
    expect(news().sort()).toEqual(['leave a-uid: ended', 'leave b-uid: deleted', 'leave c-uid: deleted'])
    show()
    expect(news()).toEqual(['leave a-uid: deleted'])
  })

  it('are told apart from a pod of the same name that was there before', () => {
    const { show, news } = watch(namespace(enrolled), pod('a'))
    news()
    show(namespace(enrolled), pod('a').replace('a-uid', 'a-uid-2'))
    expect(news()).toEqual(['leave a-uid: deleted', 'capture a-uid-2'])
    show(namespace(enrolled))
    expect(news()).toEqual(['leave a-uid-2: deleted'])
  })

  it('are told no more after the end', async () => {
    const { show, news, podWatch } = watch(namespace(enrolled))
    await podWatch.close()
    show(namespace(enrolled), pod('a'))
    expect(news()).toEqual([])
  })
})
