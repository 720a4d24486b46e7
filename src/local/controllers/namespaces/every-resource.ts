import type { AccessEvent, ObjectAccess, ResourceDefinition, ResourceRegistry } from '../../apiserver/index.ts'

/** Watches all resources that are kept, also those that come later; what comes again by a changed definition is the same. */
export function watchEveryResource(
  access: ObjectAccess,
  registry: ResourceRegistry,
  listener: (event: AccessEvent, definition: ResourceDefinition) => void,
): { stop(): void } {
  const watches = new Map<string, { stop(): void }>()
  const end = ({ group, plural }: ResourceDefinition): void => {
    watches.get(`${group}/${plural}`)?.stop()
    watches.delete(`${group}/${plural}`)
  }
  const begin = (definition: ResourceDefinition): void => {
    const { group, plural } = definition
    end(definition)
    const selection = { group, resource: plural, namespace: '' }
    watches.set(
      `${group}/${plural}`,
      access.watch(selection, (event) => listener(event, definition)),
    )
  }
  const stopListening = registry.onChange(({ kind, definition }) => (kind === 'put' ? begin : end)(definition))
  for (const definition of registry.definitions()) begin(definition)
  return {
    stop() {
      stopListening()
      for (const watch of watches.values()) watch.stop()
      watches.clear()
    },
  }
}
